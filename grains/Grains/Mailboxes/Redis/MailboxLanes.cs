using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Serialization;
using Orleans.Streams;
using OrleansRealtime.Gateways;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>
/// Reads this silo's share of the queues, and gives each gateway that something is for a lane of its own. A lane is what Orleans takes for
/// a queue, hence this is the stream provider's balancer. Lanes are never taken from their agents, only used again for other gateways:
/// there are as many as there have been gateways at a time.
/// </summary>
sealed partial class MailboxLanes(
    IServiceProvider services,
    RedisConnection redis,
    MailboxSubscriptions subscriptions,
    Serializer serializer,
    IOptions<MailboxOptions> options,
    ILogger<MailboxLanes> logger)
    : QueueBalancerBase(services, logger), IStreamQueueMapper, IAsyncDisposable
{
    /// <summary>How long what comes for a gateway without a subscription is dropped before it is looked for one again.</summary>
    static readonly TimeSpan Unsubscribed = TimeSpan.FromSeconds(1);

    readonly Lock _lock = new();
    readonly Dictionary<StreamId, GatewayMailbox> _mailboxes = [];
    readonly List<MailboxLane> _lanes = [];
    readonly Queue<MailboxLane> _free = new();
    readonly Dictionary<int, QueueReader> _readers = [];

    /// <summary>The queues that this silo reads.</summary>
    public IReadOnlyCollection<int> Queues
    {
        get
        {
            lock (_lock)
            {
                return [.. _readers.Keys];
            }
        }
    }

    public override IEnumerable<QueueId> GetMyQueues()
    {
        lock (_lock)
        {
            return [.. _lanes.Select(static lane => lane.Queue)];
        }
    }

    public IEnumerable<QueueId> GetAllQueues() => GetMyQueues();

    public QueueId GetQueueForStream(StreamId streamId) =>
        throw new NotSupportedException("Which lane a stream is in changes; producers do not ask.");

    public MailboxLane Get(QueueId queue)
    {
        lock (_lock)
        {
            return _lanes[(int)queue.GetNumericId()];
        }
    }

    public override async Task Shutdown()
    {
        await base.Shutdown();
        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        List<QueueReader> readers;
        lock (_lock)
        {
            readers = [.. _readers.Values];
            _readers.Clear();
        }

        foreach (var reader in readers)
        {
            await reader.DisposeAsync();
        }
    }

    /// <summary>The lane's gateway has no subscription any more.</summary>
    public void Release(MailboxLane lane, GatewayMailbox mailbox)
    {
        Forget(mailbox);
        _ = FreeAsync();

        async Task FreeAsync()
        {
            try
            {
                await subscriptions.RemoveProducerAsync(mailbox.StreamId, lane.Agent);
            }
            catch (Exception exception)
            {
                NotUnregistered(mailbox.StreamId, exception);
            }

            lock (_lock)
            {
                _free.Enqueue(lane);
            }
        }
    }

    protected override void OnClusterMembershipChange(HashSet<SiloAddress> activeSilos)
    {
        var mine = QueueShares.Of(SiloAddress, activeSilos, options.Value.Queues);
        List<QueueReader> others = [];
        lock (_lock)
        {
            foreach (int queue in _readers.Keys.Except(mine).ToList())
            {
                _readers.Remove(queue, out var reader);
                others.Add(reader!);
            }

            foreach (int queue in mine.Except(_readers.Keys).ToList())
            {
                _readers.Add(queue, new QueueReader(redis, MailboxProducers.NameOf(queue), Post, logger));
            }
        }

        Reading(mine.Count, options.Value.Queues, activeSilos.Count);
        foreach (var reader in others)
        {
            _ = reader.DisposeAsync().AsTask();
        }
    }

    void Post(QueueEntry entry)
    {
        GatewayMailbox? mailbox;
        bool known;
        lock (_lock)
        {
            known = _mailboxes.TryGetValue(entry.StreamId, out mailbox);
            if (!known)
            {
                _mailboxes.Add(entry.StreamId, mailbox = new GatewayMailbox(entry.StreamId, options.Value, serializer));
            }
        }

        mailbox!.Post(entry);
        if (!known)
        {
            _ = ConnectAsync(mailbox);
        }
    }

    /// <summary>
    /// Puts the mailbox in a lane if its gateway subscribes to it. An agent would look for subscribers too, but would then keep the stream
    /// as one without, and each such gateway would cost a lane.
    /// </summary>
    async Task ConnectAsync(GatewayMailbox mailbox)
    {
        bool told = false;
        while (!Cancellation.IsCancellationRequested)
        {
            try
            {
                if (await subscriptions.AnyAsync(mailbox.StreamId))
                {
                    await GiveLaneAsync(mailbox);
                    return;
                }

                mailbox.Close();
                await Task.Delay(Unsubscribed, Cancellation);
                Forget(mailbox);
                return;
            }
            catch (OperationCanceledException) when (Cancellation.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                if (!told)
                {
                    told = true;
                    NoAnswer(mailbox.StreamId, exception);
                }

                await Task.Delay(Unsubscribed, CancellationToken.None);
            }
        }
    }

    async Task GiveLaneAsync(GatewayMailbox mailbox)
    {
        bool added;
        lock (_lock)
        {
            added = !_free.TryDequeue(out var lane);
            if (added)
            {
                uint number = (uint)_lanes.Count;
                _lanes.Add(lane = new MailboxLane(QueueId.GetQueueId(Mailbox.ProviderName, number, number), this));
            }

            lane!.Take(mailbox);
        }

        if (added)
        {
            await NotifyListeners();
        }
    }

    void Forget(GatewayMailbox mailbox)
    {
        mailbox.Close();
        lock (_lock)
        {
            if (_mailboxes.TryGetValue(mailbox.StreamId, out var current) && current == mailbox)
            {
                _mailboxes.Remove(mailbox.StreamId);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information, "This silo reads {Mine} of {All} mailbox queues; active silos: {Silos}.")]
    partial void Reading(int mine, int all, int silos);

    [LoggerMessage(2, LogLevel.Warning, "It could not be found out who subscribes to mailbox {Mailbox}; it is tried again.")]
    partial void NoAnswer(StreamId mailbox, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "The silo's part in mailbox {Mailbox} could not be unregistered.")]
    partial void NotUnregistered(StreamId mailbox, Exception exception);
}
