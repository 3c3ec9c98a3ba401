using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Gateway.PubSub;

/// <summary>
/// Pub/sub on the rooms of topics: what is published goes the way of every message, and the subscriptions are part of the room's audience.
/// </summary>
sealed class GatewayPubSub(
    RealtimeOperations operations, LocalChannels channels, GatewayHealth health, IOptions<NamespaceOptions> namespaces, TimeProvider time, ILogger<GatewayPubSub> logger)
    : IPubSub, IDisposable
{
    /// <summary>
    /// What may wait for one handler. Beyond it the queue is dropped and the log is read again, as fast as the handler goes: enough for two pages of the log
    /// with messages of 16 KiB, so that reading it is no reason to begin again.
    /// </summary>
    const int QueueBytes = 16 << 20;

    readonly Lock _lock = new();

    /// <summary>By room. The lists are replaced, never changed.</summary>
    readonly Dictionary<string, TopicSubscription[]> _subscriptions = [];

    /// <summary>By room: the last of the publications that wait until a new subscription of this process will get them. Absent where none does.</summary>
    readonly Dictionary<string, TaskCompletionSource> _turns = [];

    readonly TopicServices _services = new(
        channels, health, Permissions.WithoutToken("server", namespaces.Value, isGuest: false), new() { MaxRoomsPerConnection = 1, QueueBytes = QueueBytes }, time, logger);

    bool _failing;

    public ITopicSubscription Subscribe(string pattern, Func<TopicMessage, CancellationToken, Task> handler)
    {
        var subscription = new TopicSubscription(TopicPattern.Parse(pattern), handler, _services, Remove);
        lock (_lock)
        {
            _subscriptions[subscription.Pattern.Room] = [.. Of(subscription.Pattern.Room), subscription];
        }

        return subscription;
    }

    public ITopicSubscription Subscribe<T>(string pattern, Func<T, TopicMessage, Task> handler) =>
        Subscribe(pattern, (message, _) => handler(message.Get<T>()!, message));

    public void Publish(string topic, object? data) => _ = ForgetAsync(Topic.Parse(topic), Payload.Of(data));

    public async Task<PublishReport> PublishAsync(string topic, object? data, CancellationToken cancellationToken = default)
    {
        var parsed = Topic.Parse(topic);
        var payload = Payload.Of(data);
        var waitedFor = Matching(parsed).Where(s => s != TopicSubscription.Current).ToList();
        string? messageId = waitedFor.Count == 0 ? null : Guid.NewGuid().ToString("n");
        var outcomes = waitedFor.Select(s => s.Expect(messageId!)).ToList();
        try
        {
            var kept = await SendAsync(parsed, payload, messageId).WaitAsync(cancellationToken);
            var ran = (await Task.WhenAll(outcomes).WaitAsync(cancellationToken)).Where(o => o.Ran).ToList();
            return new(kept.Epoch, kept.Offset, ran.Count, [.. ran.Where(o => o.Error is not null).Select(o => o.Error!)]);
        }
        finally
        {
            foreach (var subscription in waitedFor)
            {
                subscription.Unexpect(messageId!);
            }
        }
    }

    public void Dispose()
    {
        List<TopicSubscription> all;
        lock (_lock)
        {
            all = [.. _subscriptions.Values.SelectMany(s => s)];
        }

        all.ForEach(s => s.Dispose());
    }

    async Task ForgetAsync(Topic topic, Payload data)
    {
        try
        {
            await SendAsync(topic, data, null);
            _failing = false;
        }
        catch (Exception exception)
        {
            if (!_failing)
            {
                _failing = true;
                TopicLog.NotPublished(logger, topic.Name, exception);
            }
        }
    }

    /// <summary>
    /// Publishes in the order of the calls. Where a subscription of this process that matches has not begun yet, that is waited for, so that it gets the message.
    /// </summary>
    Task<PublishAcknowledgement> SendAsync(Topic topic, Payload data, string? messageId)
    {
        lock (_lock)
        {
            var matching = Matching(topic);
            _turns.TryGetValue(topic.Room, out var before);
            if (before is null && matching.All(s => s.Attempted.IsCompleted))
            {
                return SendNowAsync(topic, data, messageId, matching);
            }

            var turn = _turns[topic.Room] = new(TaskCreationOptions.RunContinuationsAsynchronously);
            return SendInTurnAsync(topic, data, messageId, matching, before?.Task ?? Task.CompletedTask, turn);
        }
    }

    async Task<PublishAcknowledgement> SendInTurnAsync(
        Topic topic, Payload data, string? messageId, TopicSubscription[] matching, Task before, TaskCompletionSource turn)
    {
        await Task.WhenAll(matching.Select(s => s.Attempted).Append(before));
        Task<PublishAcknowledgement> sent;
        lock (_lock)
        {
            sent = SendNowAsync(topic, data, messageId, matching);
            if (_turns[topic.Room] == turn)
            {
                _turns.Remove(topic.Room);
            }
        }

        turn.SetResult();
        return await sent;
    }

    Task<PublishAcknowledgement> SendNowAsync(Topic topic, Payload data, string? messageId, TopicSubscription[] matching) =>
        matching.All(s => s.Ready.IsCompleted)
            ? operations.PublishToRoomAsync(topic.Room, new SendRequest(topic.Name, data, messageId))
            : Task.FromException<PublishAcknowledgement>(new RealtimeException(
                RealtimeErrorCode.Unavailable, "The log of the topic's channel is not available at the moment: a subscription to it could not begin. Try again."));

    TopicSubscription[] Matching(Topic topic)
    {
        lock (_lock)
        {
            var all = Of(topic.Room);
            return all.Length == 0 ? [] : [.. all.Where(s => s.Pattern.Matches(topic.Name))];
        }
    }

    /// <summary>Under the lock.</summary>
    TopicSubscription[] Of(string room) => _subscriptions.GetValueOrDefault(room) ?? [];

    void Remove(TopicSubscription subscription)
    {
        string room = subscription.Pattern.Room;
        lock (_lock)
        {
            TopicSubscription[] rest = [.. Of(room).Where(s => s != subscription)];
            if (rest.Length == 0)
            {
                _subscriptions.Remove(room);
            }
            else
            {
                _subscriptions[room] = rest;
            }
        }
    }
}
