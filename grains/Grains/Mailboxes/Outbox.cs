using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>The outboxes of this silo, one for each gateway that its grains have something for.</summary>
sealed class Outboxes(
    IServiceProvider services, IOptions<GatewayLeaseOptions> options, IOptions<SiloMessagingOptions> messaging, TimeProvider time, ILogger<Outboxes> logger)
{
    /// <summary>How long an outbox that nothing is posted to is kept.</summary>
    static readonly TimeSpan KeptIdle = TimeSpan.FromMinutes(10);

    readonly ConcurrentDictionary<string, Outbox> _outboxes = new();

    public void Post(string gatewayId, MailboxEvent mailboxEvent) =>
        _outboxes.GetOrAdd(gatewayId, static (id, self) => self.Create(id), this).Post(mailboxEvent);

    /// <summary>Whether everything that was posted for the gateway has been delivered, or lost.</summary>
    public bool IsIdle(string gatewayId) => !_outboxes.TryGetValue(gatewayId, out var outbox) || outbox.IsIdle;

    /// <summary>The gateway is gone: what waits for it is dropped.</summary>
    public void Remove(string gatewayId)
    {
        if (_outboxes.TryRemove(gatewayId, out var outbox))
        {
            outbox.Clear();
        }
    }

    /// <summary>Completes when nothing waits for these gateways any more.</summary>
    public Task WhenSentAsync(IEnumerable<string> gatewayIds) => Task.WhenAll(
        gatewayIds.Select(id => _outboxes.TryGetValue(id, out var outbox) ? outbox.WhenSentAsync() : Task.CompletedTask));

    Outbox Create(string gatewayId)
    {
        // Gateways have new ids at every start, and only the silo with the lease hears that one is gone.
        foreach (var (id, outbox) in _outboxes)
        {
            if (outbox.Silence > KeptIdle)
            {
                _outboxes.TryRemove(new(id, outbox));
            }
        }

        var stream = services.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName).GetStream<MailboxBatch>(Mailbox.StreamOf(gatewayId));

        // Not every send is a call, but none takes longer than one may.
        return new(gatewayId, stream.OnNextAsync, messaging.Value.ResponseTimeout, options.Value, time, logger);
    }
}

/// <summary>
/// What this silo's grains have for one gateway, in the order in which they posted it. One send is in flight, because Orleans may
/// reorder what is sent side by side; what is posted meanwhile leaves together with the next.
/// </summary>
/// <param name="gatewayId">Whose mailbox it is, for the log.</param>
/// <param name="send">Sends to the mailbox stream.</param>
/// <param name="sendTime">How long a send may take.</param>
/// <param name="options">The bounds.</param>
/// <param name="time">Times sends, and the pause after a failure.</param>
/// <param name="logger">Where drops and failures are logged.</param>
sealed partial class Outbox(
    string gatewayId, Func<MailboxBatch, StreamSequenceToken?, Task> send, TimeSpan sendTime, GatewayLeaseOptions options, TimeProvider time, ILogger logger)
{
    /// <summary>Events of one send at most: coalescing pays up to about here, and one send must not hold the next up for long.</summary>
    const int BatchEvents = 256;

    /// <summary>Bytes of one send at most, as far as messages can be counted.</summary>
    const int BatchBytes = 1 << 20;

    /// <summary>Pause after a failed send: the stream is away, and asking at once would only cost.</summary>
    static readonly TimeSpan FailurePause = TimeSpan.FromMilliseconds(200);

    readonly string _id = Guid.NewGuid().ToString("n");
    readonly Lock _lock = new();
    readonly Queue<MailboxEvent> _waiting = new();
    long _sequence;
    long _posted = time.GetTimestamp();
    long _bytes;
    bool _sending;
    bool _lost;
    bool _failing;
    TaskCompletionSource? _idle;

    /// <summary>How long nothing has been posted.</summary>
    public TimeSpan Silence => time.GetElapsedTime(Volatile.Read(ref _posted));

    /// <summary>Whether nothing waits or is being sent.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_lock)
            {
                return !_sending;
            }
        }
    }

    public void Post(MailboxEvent mailboxEvent)
    {
        Volatile.Write(ref _posted, time.GetTimestamp());
        lock (_lock)
        {
            if (_waiting.Count >= options.OutboxEvents || _bytes >= options.OutboxBytes)
            {
                DropAll();
            }

            _waiting.Enqueue(mailboxEvent);
            _bytes += SizeOf(mailboxEvent);
            if (_sending)
            {
                return;
            }

            _sending = true;
        }

        // On the thread pool: the poster is a grain, whose scheduler must not run the send loop.
        ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.SendWaitingAsync(), this, preferLocal: true);
    }

    /// <summary>Completes when nothing waits or is being sent, or sending fails.</summary>
    public Task WhenSentAsync()
    {
        lock (_lock)
        {
            return _sending ? (_idle ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _waiting.Clear();
            _bytes = 0;
            _lost = false;
        }
    }

    async Task SendWaitingAsync()
    {
        while (TryTake(out var batch))
        {
            try
            {
                await send(batch, null).WaitAsync(sendTime, time);
                _failing = false;
            }
            catch (Exception exception)
            {
                // The fan-out is a fast path that may lose: the gateway is told so, and reads the logs.
                if (!_failing)
                {
                    _failing = true;
                    Failed(gatewayId, exception);
                }

                lock (_lock)
                {
                    _lost = true;
                    _idle?.TrySetResult();
                    _idle = null;
                }

                await Task.Delay(FailurePause, time);
            }
        }
    }

    bool TryTake(out MailboxBatch batch)
    {
        lock (_lock)
        {
            // That something was lost is said even where nothing follows.
            if (_waiting.Count == 0 && !_lost)
            {
                _sending = false;
                _idle?.TrySetResult();
                _idle = null;
                batch = null!;
                return false;
            }

            var events = new List<MailboxEvent>(Math.Min(_waiting.Count, BatchEvents));
            long bytes = 0;
            while (events.Count < BatchEvents && bytes < BatchBytes && _waiting.TryDequeue(out var next))
            {
                events.Add(next);
                bytes += SizeOf(next);
            }

            _bytes -= bytes;
            batch = new(events, _lost, _id, ++_sequence);
            _lost = false;
            return true;
        }
    }

    void DropAll()
    {
        Dropped(gatewayId, _waiting.Count);
        _waiting.Clear();
        _bytes = 0;
        _lost = true;
    }

    static long SizeOf(MailboxEvent mailboxEvent)
    {
        long size = 64;
        if (mailboxEvent is ChannelMessages { Messages: var messages })
        {
            foreach (var message in messages)
            {
                size += message.Size;
            }
        }

        return mailboxEvent is UserRequested { Data: { } data } ? size + data.Bytes.Length : size;
    }

    [LoggerMessage(1, LogLevel.Warning, "The mailbox of gateway {GatewayId} is not drained: {Events} events are dropped; it will read the logs.")]
    partial void Dropped(string gatewayId, int events);

    [LoggerMessage(2, LogLevel.Warning, "Events for gateway {GatewayId} cannot be sent; it will read the logs. Said once until one is sent again.")]
    partial void Failed(string gatewayId, Exception exception);
}
