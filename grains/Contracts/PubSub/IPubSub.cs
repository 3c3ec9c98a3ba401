namespace OrleansRealtime.PubSub;

/// <summary>
/// Publishing and subscribing by topic for server code, from the services of every process with a gateway in it. A publication reaches
/// the subscriptions of all processes, and all clients that are in the room of its channel (see <see cref="Topic"/>); it is kept in that
/// room's log. Grains publish with <see cref="TopicPublishing.PublishToTopicAsync"/>.
/// <para>
/// A subscription is handed what is published after it has become <see cref="ITopicSubscription.Ready"/>: in the order of the channel's log, one at a time, each once in
/// this process, however slow its handler is. Subscriptions do not wait for one another, and nothing waits for them but <see cref="PublishAsync"/>. Where a silo, Redis
/// or the mailbox fails they go on from the log; only where the log itself no longer has everything is something missed, and that is logged. They end with the process.
/// </para>
/// </summary>
public interface IPubSub
{
    /// <summary>Calls the handler for every message whose topic matches. What the handler throws is logged, and the next message comes.</summary>
    /// <param name="pattern">As <see cref="TopicPattern"/> has it.</param>
    /// <param name="handler">Its token is cancelled when the subscription or the process ends.</param>
    /// <returns>To be disposed to end it. A handler that is running is not waited for; it is the last.</returns>
    /// <exception cref="ArgumentException">It is not a pattern.</exception>
    ITopicSubscription Subscribe(string pattern, Func<TopicMessage, CancellationToken, Task> handler);

    /// <summary>The same for data of one form. A message whose data is of another is a failure of this handler, and it is not called.</summary>
    ITopicSubscription Subscribe<T>(string pattern, Func<T, TopicMessage, Task> handler);

    /// <summary>Publishes and forgets: publications to one channel keep their order; one that cannot be kept is lost, which is logged.</summary>
    /// <param name="topic">As <see cref="Topic"/> has it.</param>
    /// <param name="data">An object, as JSON with camel-case names; <c>byte[]</c>; or a <see cref="Channels.Payload"/>.</param>
    /// <exception cref="ArgumentException">It is not a topic.</exception>
    void Publish(string topic, object? data);

    /// <summary>
    /// Publishes, and completes when the message is kept and all handlers of this process whose pattern matches have run. Called by a handler, it does not wait
    /// for that handler's own subscription. Fails where the message cannot be kept, with a sentence that says why; nothing of a handler's makes it fail.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting, not the publication.</param>
    /// <exception cref="ArgumentException">It is not a topic.</exception>
    Task<PublishReport> PublishAsync(string topic, object? data, CancellationToken cancellationToken = default);
}

/// <summary>What a handler is subscribed to. Disposing ends it.</summary>
public interface ITopicSubscription : IDisposable
{
    /// <summary>Completes when whatever is published from now on, anywhere, will be handed over; cancelled where it ends before.</summary>
    Task Ready { get; }
}

/// <summary>What has become of a publication.</summary>
/// <param name="Epoch">With <paramref name="Offset"/>: the place in the log of the topic's channel, from 1.</param>
/// <param name="Handlers">Handlers of this process that have run.</param>
/// <param name="Errors">What those have thrown that failed.</param>
public sealed record PublishReport(string Epoch, long Offset, int Handlers, IReadOnlyList<Exception> Errors);
