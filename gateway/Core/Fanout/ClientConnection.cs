using System.Buffers;
using System.Security.Claims;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>An event on its way to one connection.</summary>
/// <param name="Event">The event; null for what the transport itself has to say.</param>
/// <param name="Bytes">Its bytes in the connection's format.</param>
/// <param name="Subscription">The channel it came by; null for what concerns the connection itself.</param>
public readonly record struct Outbound(PreparedEvent? Event, byte[] Bytes, Subscription? Subscription);

/// <summary>
/// One client's link to this gateway, whatever the transport: who it is, what it is subscribed to, and its outbound queue.
/// <para>
/// The queue is bounded in bytes. One writer at a time takes what has gathered and writes it at once; nobody else ever waits for the
/// client. A transport derives from this and translates.
/// </para>
/// </summary>
public abstract class ClientConnection(string id, string transport, Permissions permissions, GatewayOptions options, ILogger logger)
{
    /// <summary>Bytes of one write at most.</summary>
    const int WriteBytes = 64 << 10;

    /// <summary>Events of one write at most.</summary>
    const int WriteEvents = 256;

    /// <summary>A thread's spare array for the events of a write; a write that has to wait takes it along.</summary>
    [ThreadStatic]
    static Outbound[]? t_batch;

    readonly Lock _lock = new();
    OutboundQueue _queue;
    List<Subscription> _subscriptions = new(2);
    TaskCompletionSource? _drained;
    TaskCompletionSource? _written;
    bool _writing;
    CloseReason? _closing;
    bool _ended;

    // Null until they are needed, which for most connections is never.
    IReadOnlyList<Claim>? _claims;
    PendingRequests? _requests;
    CancellationTokenSource? _aborted;

    public string Id { get; } = id;

    public string Transport { get; } = transport;

    public string UserId => Permissions.UserId;

    /// <summary>What the token allows; replaced when the client authenticates again.</summary>
    public Permissions Permissions { get; internal set; } = permissions;

    /// <summary>Why the server ends the connection; null where it does not.</summary>
    public CloseReason? Closing => _closing;

    public bool IsClosing => _closing is not null || _ended;

    /// <summary>What middleware attached when the connection was accepted.</summary>
    internal IReadOnlyList<Claim> Claims
    {
        get => _claims ?? [];
        set => _claims = value.Count > 0 ? value : null;
    }

    /// <summary>Where what is written is counted; null for what is no client's.</summary>
    internal MetricTotals? Totals { get; set; }

    /// <summary>Whether the application has been told of the connection, and is to be told of its end.</summary>
    internal bool IsAnnounced { get; set; }

    /// <summary>Whether the client can send anything over it: answers, and with them joins and leaves of its own.</summary>
    internal virtual bool IsTwoWay => true;

    /// <summary>Whether it is somebody who is there, in a room or as a user.</summary>
    internal virtual bool IsPresent => true;

    /// <summary>How long a client may take to answer where the application does not say.</summary>
    protected virtual TimeSpan AnswerTimeout => TimeSpan.FromSeconds(10);

    /// <summary>Cancelled when the connection has ended.</summary>
    internal CancellationToken Aborted
    {
        get
        {
            lock (_lock)
            {
                return _ended ? new(canceled: true) : (_aborted ??= new()).Token;
            }
        }
    }

    /// <summary>How the transport writes events. Set before the first one comes.</summary>
    protected abstract WireFormat Format { get; }

    /// <summary>Bounds the publications that have not been acknowledged.</summary>
    internal SemaphoreSlim? PublishSlots { get; set; }

    /// <summary>The connection's subscriptions as they are now.</summary>
    public IReadOnlyList<Subscription> Subscriptions
    {
        get
        {
            lock (_lock)
            {
                return [.. _subscriptions];
            }
        }
    }

    public Subscription? Find(ChannelId channel)
    {
        lock (_lock)
        {
            foreach (var subscription in _subscriptions)
            {
                if (subscription.Id == channel)
                {
                    return subscription;
                }
            }

            return null;
        }
    }

    /// <summary>Adds a subscription, unless there is one for the channel already, the connection has ended, or it has as many rooms as allowed.</summary>
    internal Subscription? Add(Subscription subscription)
    {
        lock (_lock)
        {
            if (_ended)
            {
                return null;
            }

            int rooms = 0;
            foreach (var present in _subscriptions)
            {
                if (present.Id == subscription.Id)
                {
                    return present;
                }

                rooms += present.Id.Kind == ChannelKind.Room ? 1 : 0;
            }

            if (subscription.Id.Kind == ChannelKind.Room && rooms >= options.MaxRoomsPerConnection)
            {
                return null;
            }

            _subscriptions.Add(subscription);
            return subscription;
        }
    }

    internal bool Remove(Subscription subscription)
    {
        subscription.Ended = true;
        lock (_lock)
        {
            return _subscriptions.Remove(subscription);
        }
    }

    /// <summary>The transport has lost the connection, or has closed it. Returns what it was subscribed to; empty from the second call on.</summary>
    internal IReadOnlyList<Subscription> End()
    {
        lock (_lock)
        {
            _ended = true;
            _queue.Clear();
            _drained?.TrySetResult();
            _written?.TrySetResult();
            var subscriptions = _subscriptions;
            _subscriptions = [];
            foreach (var subscription in subscriptions)
            {
                subscription.Ended = true;
            }

            _requests?.End();
            _ = _aborted?.CancelAsync();
            return subscriptions;
        }
    }

    /// <summary>
    /// Sends this client, and nobody else, an event. It is not kept: who is not connected does not get it, and no recovery repeats it.
    /// Never waits; what is sent to a connection that is closing is dropped.
    /// </summary>
    /// <param name="event">1 to 128 bytes of UTF-8 without control characters.</param>
    /// <param name="args">A Socket.IO client gets them all, others the first.</param>
    /// <exception cref="ArgumentException">The event's name is not one.</exception>
    public void Emit(string @event, params object?[] args) => Emit(@event, EventData.Of(args));

    /// <summary>The same with arguments as they came.</summary>
    public void Emit(string @event, EventData data) => Send(new(new Emitted(CheckEventName(@event), data)));

    /// <summary>Sends this client an event and waits for its answer.</summary>
    /// <param name="timeout">How long; 10 s where null. For ever with <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <returns>The arguments of the answer: any number from a Socket.IO client, one from others.</returns>
    /// <exception cref="ArgumentException">The event's name is not one.</exception>
    /// <exception cref="RealtimeException">
    /// <see cref="RealtimeErrorCode.Timeout"/>; <see cref="RealtimeErrorCode.Refused"/>; <see cref="RealtimeErrorCode.Unavailable"/> where the connection has ended;
    /// <see cref="RealtimeErrorCode.Overloaded"/> where the client owes 1,000 answers; <see cref="RealtimeErrorCode.InvalidArgument"/> for SSE.
    /// </exception>
    public Task<EventData> RequestAsync(string @event, TimeSpan? timeout, CancellationToken cancellationToken, params object?[] args)
    {
        if (!IsTwoWay)
        {
            return Task.FromException<EventData>(new RealtimeException(RealtimeErrorCode.InvalidArgument, "An SSE connection cannot answer."));
        }

        CheckEventName(@event);
        var data = EventData.Of(args);
        return AskAsync(@event, id => Ask(id, @event, data), timeout ?? AnswerTimeout, cancellationToken);
    }

    /// <summary>The same for a question that was put to the user, and not to this connection.</summary>
    /// <param name="from">The asking user; null where the server itself asks.</param>
    internal Task<EventData> RequestAsync(string @event, EventData data, string? from, TimeSpan timeout, CancellationToken cancellationToken) =>
        AskAsync(@event, id => AskUser(id, @event, data, from), timeout, cancellationToken);

    Task<EventData> AskAsync(string @event, Action<long> ask, TimeSpan timeout, CancellationToken cancellationToken)
    {
        PendingRequests requests;
        lock (_lock)
        {
            if (_ended || _closing is not null)
            {
                return Task.FromException<EventData>(PendingRequests.ConnectionEnded());
            }

            requests = _requests ??= new();
        }

        return requests.AskAsync(@event, ask, timeout, cancellationToken);
    }

    /// <summary>The client has answered. False where nobody waits for that any more.</summary>
    internal bool Answer(long id, EventData data) => _requests?.Answer(id, data) ?? false;

    /// <summary>The client will not answer. False where nobody waits for that any more.</summary>
    internal bool Refuse(long id, string? message) => _requests?.Refuse(id, message) ?? false;

    /// <summary>Requests to users, by this client, that are unanswered.</summary>
    internal int Asking;

    /// <summary>Delivery of a channel has begun, or had begun before.</summary>
    internal virtual void OnFollowed(ChannelId channel, SubscribeResult result)
    {
    }

    /// <summary>Delivery of a channel has ended, by whose wish ever, while the connection goes on.</summary>
    internal virtual void OnUnfollowed(ChannelId channel)
    {
    }

    /// <summary>Sends a question that the client is to answer under the id. The ids of a connection are 1, 2, 3 …</summary>
    protected virtual void Ask(long id, string name, EventData data) => Send(new(new Requested(id, name, data)));

    /// <summary>The same for a question that was put to the user.</summary>
    protected virtual void AskUser(long id, string name, EventData data, string? from) => Send(new(new Requested(id, name, data, from)));

    static string CheckEventName(string name) =>
        RoomName.TryCheckName(name, "An event name", out string? error) ? name : throw new ArgumentException(error, nameof(name));

    /// <summary>Queues an event and writes it, without waiting for the client.</summary>
    internal void Send(PreparedEvent prepared, Subscription? subscription = null)
    {
        if (Enqueue(prepared, subscription))
        {
            Write();
        }
    }

    /// <summary>Queues an event. Where it returns true, the caller is to call <see cref="Write"/> soon; nobody else will.</summary>
    internal bool Enqueue(PreparedEvent prepared, Subscription? subscription)
    {
        var outbound = new Outbound(prepared, prepared.GetBytes(Format), subscription);
        lock (_lock)
        {
            if (_ended || _closing is not null || subscription is { Ended: true })
            {
                return false;
            }

            bool dropped = prepared.Delivery switch
            {
                Delivery.Transient => _queue.Bytes > options.QueueBytes / 4,
                Delivery.Latest => _queue.TryReplaceLatest(outbound),
                _ => false,
            };
            return !dropped && EnqueueLocked(outbound);
        }
    }

    /// <summary>Queues and writes what is no event: answers to calls, pings. It counts as everything else does.</summary>
    protected internal void SendFrame(byte[] bytes)
    {
        bool write;
        lock (_lock)
        {
            write = !_ended && _closing is null && EnqueueLocked(new(null, bytes, null));
        }

        if (write)
        {
            Write();
        }
    }

    /// <summary>Tells the client why and then closes. What has been queued before is still written, unless the client was too slow.</summary>
    public void Close(CloseReason reason)
    {
        bool write;
        lock (_lock)
        {
            write = !_ended && _closing is null && EnqueueClosing(reason);
        }

        if (write)
        {
            Write();
        }
    }

    /// <summary>Completes when less than half of the queue is taken, or the connection has ended.</summary>
    internal Task WaitForRoomAsync()
    {
        lock (_lock)
        {
            return _ended || _closing is not null || _queue.Bytes < options.QueueBytes / 2
                ? Task.CompletedTask
                : (_drained ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>Completes when nothing is queued or being written, or the connection has ended.</summary>
    protected Task WhenWrittenAsync()
    {
        lock (_lock)
        {
            return !_writing || _ended ? Task.CompletedTask : (_written ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>
    /// Writes what is queued, until nothing is. Runs on the caller's thread for as long as the client takes what it is given: that is
    /// the fast path, without a change of threads. Never throws.
    /// </summary>
    internal void Write() => _ = WriteQueuedAsync();

    /// <summary>
    /// Writes events to the client, together. The array belongs to the caller and is valid until the task completes. A failure ends
    /// this connection and no other.
    /// </summary>
    protected abstract ValueTask WriteAsync(ReadOnlyMemory<Outbound> events);

    /// <summary>The bytes of several events in one array of <see cref="ArrayPool{T}.Shared"/>, which the caller returns.</summary>
    protected static byte[] RentTogether(ReadOnlySpan<Outbound> events, out int length)
    {
        length = 0;
        foreach (ref readonly var outbound in events)
        {
            length += outbound.Bytes.Length;
        }

        byte[] together = ArrayPool<byte>.Shared.Rent(length);
        int at = 0;
        foreach (ref readonly var outbound in events)
        {
            outbound.Bytes.CopyTo(together, at);
            at += outbound.Bytes.Length;
        }

        return together;
    }

    /// <summary>Ends the link after the last words were written. Called once.</summary>
    protected abstract ValueTask CloseAsync(CloseReason reason);

    /// <summary>Cuts the link: the client takes no more bytes.</summary>
    protected abstract void Abort();

    /// <summary>Moves the subscription's cursor past an event. Safe to repeat; a transport that writes cursors calls it event by event.</summary>
    protected static void Advance(in Outbound outbound)
    {
        if (outbound.Subscription is not { } subscription)
        {
            return;
        }

        if (outbound.Event!.Offset is > 0 and var offset)
        {
            subscription.Sent = subscription.Sent with { Offset = offset };
        }
        else if (outbound.Event.Event is GapDetected { Position: var position })
        {
            subscription.Sent = position;
        }
    }

    async Task WriteQueuedAsync()
    {
        var batch = t_batch ?? new Outbound[WriteEvents];
        t_batch = null;
        try
        {
            int bytes = 0;
            CloseReason? closing;
            while (TryTake(batch, out int count, ref bytes, out closing))
            {
                var write = WriteAsync(batch.AsMemory(0, count));
                if (!write.IsCompletedSuccessfully)
                {
                    await write;
                }

                Written(batch.AsSpan(0, count));
            }

            if (closing is not null)
            {
                await CloseAsync(closing);
            }
        }
        catch (Exception exception)
        {
            ClientConnectionLog.WriteFailed(logger, Id, exception);
            Abort();
        }
        finally
        {
            t_batch = batch;
        }
    }

    /// <summary>
    /// Takes what to write next, and what has been written off the count. False when there is nothing; then <paramref name="closing"/>
    /// says whether the last words are out.
    /// </summary>
    bool TryTake(Outbound[] batch, out int count, ref int bytes, out CloseReason? closing)
    {
        lock (_lock)
        {
            _queue.Written(bytes);
            if (_drained is not null && _queue.Bytes < options.QueueBytes / 2)
            {
                _drained.TrySetResult();
                _drained = null;
            }

            closing = null;
            count = _queue.Take(batch, WriteBytes, out bytes);
            if (count == 0)
            {
                // A closing connection stays "writing": nothing may follow its last words.
                closing = _closing;
                _writing = closing is not null;
                _written?.TrySetResult();
                _written = null;
            }

            return count > 0;
        }
    }

    void Written(Span<Outbound> batch)
    {
        int events = 0;
        foreach (ref readonly var outbound in batch)
        {
            events += outbound.Event is not null ? 1 : 0;
            Advance(outbound);
        }

        Totals?.OnDelivered(events);
        batch.Clear();
    }

    bool EnqueueLocked(in Outbound outbound)
    {
        if (_queue.Bytes > 0 && _queue.Bytes + outbound.Bytes.Length > options.QueueBytes)
        {
            return EnqueueClosing(CloseReason.SlowConsumer);
        }

        _queue.Enqueue(outbound);
        return StartWriting();
    }

    bool StartWriting()
    {
        if (_writing)
        {
            return false;
        }

        return _writing = true;
    }

    bool EnqueueClosing(CloseReason reason)
    {
        _closing = reason;
        if (reason == CloseReason.SlowConsumer)
        {
            // What waits is of no use any more: the client resumes by its cursor.
            ClientConnectionLog.SlowConsumer(logger, Id, UserId, _queue.Bytes);
            _queue.Clear();
        }

        var closing = new PreparedEvent(new ConnectionClosing(reason));
        _queue.Enqueue(new(closing, closing.GetBytes(Format), null));
        _drained?.TrySetResult();
        _ = AbortAfterAsync(options.CloseTimeout);
        return StartWriting();
    }

    async Task AbortAfterAsync(TimeSpan timeout)
    {
        await Task.Delay(timeout);
        if (!_ended)
        {
            Abort();
        }
    }
}

static partial class ClientConnectionLog
{
    [LoggerMessage(1, LogLevel.Debug, "Connection {ConnectionId} ends: a write failed.")]
    public static partial void WriteFailed(ILogger logger, string connectionId, Exception exception);

    [LoggerMessage(2, LogLevel.Information, "Connection {ConnectionId} of {User} is closed: {Bytes} bytes were waiting for it (slow_consumer).")]
    public static partial void SlowConsumer(ILogger logger, string connectionId, string user, int bytes);
}
