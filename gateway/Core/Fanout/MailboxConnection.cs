using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// This gateway's subscription to its mailbox. Where it may have been dropped a new one is made: resuming it would not register it again.
/// The former is kept until the new one has brought something, because the silo that delivers may never be told of the new one: whom to
/// tell is lost where the silo of the stream's pub-sub grain dies together with what Redis has of it.
/// </summary>
/// <param name="received">Takes what comes, one batch after the other.</param>
sealed class MailboxConnection(GatewayIdentity identity, IClusterClient cluster, Func<MailboxBatch, Task> received, TimeProvider time)
{
    /// <summary>How long it takes to try again to end other subscriptions. They cost a call for each batch, and nothing else.</summary>
    static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(30);

    Subscription? _current;
    Subscription? _former;
    bool _others;
    long? _triedToEndOthers;
    long _heard;

    /// <summary>How long nothing has come, by any subscription.</summary>
    public TimeSpan Silence => time.GetElapsedTime(_heard);

    IAsyncStream<MailboxBatch> Stream =>
        cluster.ServiceProvider.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName).GetStream<MailboxBatch>(Mailbox.StreamOf(identity.Id));

    /// <summary>Subscribes, again where that has been done before.</summary>
    public async Task ConnectAsync(TimeSpan timeout)
    {
        _heard = time.GetTimestamp();
        (_others, _triedToEndOthers) = (true, null);
        var next = new Subscription();
        next.Handle = await Stream.SubscribeAsync((batch, _) => OnBatchAsync(next, batch)).WaitAsync(timeout, time);

        // Of the earlier ones, the last that has brought something stays.
        var useless = _current;
        if (_current is { Heard: true })
        {
            (useless, _former) = (_former, _current);
        }

        _current = next;
        await EndAsync(useless, timeout);
    }

    /// <summary>
    /// Ends every other subscription once the current one has brought something, and tries again where that fails. Pub-sub may know of some that are not known here, because subscribing
    /// or ending them has failed half-way, and may not know the former one.
    /// </summary>
    /// <returns>False where pub-sub does not know the current one: then the mailbox is to be connected again.</returns>
    public async Task<bool> EndOthersAsync(TimeSpan timeout)
    {
        if (!_others || _current is not { Heard: true, Handle: { } current } || (_triedToEndOthers is { } tried && time.GetElapsedTime(tried) < RetryPause))
        {
            return true;
        }

        _triedToEndOthers = time.GetTimestamp();
        var known = await Stream.GetAllSubscriptionHandles().WaitAsync(timeout);
        if (known.All(handle => handle.HandleId != current.HandleId))
        {
            return false;
        }

        foreach (var other in known.Where(handle => handle.HandleId != current.HandleId))
        {
            await other.UnsubscribeAsync().WaitAsync(timeout);
        }

        (var former, _former) = (_former, null);
        if (known.All(handle => handle.HandleId != former?.Handle?.HandleId))
        {
            await EndAsync(former, timeout);
        }

        _others = false;
        return true;
    }

    public async Task CloseAsync(TimeSpan timeout)
    {
        await EndAsync(_current, timeout);
        await EndAsync(_former, timeout);
    }

    static Task EndAsync(Subscription? subscription, TimeSpan timeout) =>
        subscription?.Handle is { } handle ? handle.UnsubscribeAsync().WaitAsync(timeout) : Task.CompletedTask;

    Task OnBatchAsync(Subscription subscription, MailboxBatch batch)
    {
        _heard = time.GetTimestamp();
        subscription.Heard = true;
        return subscription == _current || _current is not { Heard: true } ? received(batch) : Task.CompletedTask;
    }

    sealed class Subscription
    {
        public StreamSubscriptionHandle<MailboxBatch>? Handle { get; set; }

        /// <summary>Whether anything has come by it.</summary>
        public volatile bool Heard;
    }
}
