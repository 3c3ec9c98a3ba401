using Microsoft.Extensions.Logging;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>
/// The mailboxes that are in this silo, and a lane for each whose gateway subscribes to it. A lane is what Orleans takes for a queue, hence this is the
/// stream provider's balancer. Lanes are never taken from their agents, only used again for other gateways: there are as many as there have been
/// gateways at a time, and one more each time that a gateway comes again after its subscription had ended.
/// </summary>
sealed partial class MailboxLanes(
    IServiceProvider services,
    MailboxSubscriptions subscriptions,
    TimeProvider time,
    ILogger<MailboxLanes> logger)
    : QueueBalancerBase(services, logger), IStreamQueueMapper
{
    /// <summary>How long what comes for a gateway without a subscription is dropped before it is looked for one again.</summary>
    static readonly TimeSpan Unsubscribed = TimeSpan.FromSeconds(1);

    /// <summary>How long after a call to its grain a mailbox is taken to be here still.</summary>
    static readonly TimeSpan Here = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly Dictionary<StreamId, GatewayMailbox> _mailboxes = [];
    readonly List<MailboxLane> _lanes = [];
    readonly List<MailboxLane> _free = [];

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

    /// <summary>
    /// For the outboxes of this silo: as <see cref="PostAsync"/>, without the call, where the mailbox's grain has been called here lately. Null where it has not: then the grain is to be
    /// called, which keeps it where it is.
    /// </summary>
    public Task? TryPostHere(StreamId streamId, MailboxBatch[] batches)
    {
        GatewayMailbox? mailbox;
        lock (_lock)
        {
            if (!_mailboxes.TryGetValue(streamId, out mailbox) || time.GetElapsedTime(mailbox.GrainCalled) >= Here)
            {
                return null;
            }
        }

        return mailbox.PostAsync(batches);
    }

    /// <summary>For the mailbox's grain. Completes when the batches were delivered, or dropped.</summary>
    /// <exception cref="OrleansException">The silo stops, and they were not delivered.</exception>
    public Task PostAsync(string gatewayId, MailboxBatch[] batches)
    {
        var streamId = Mailbox.StreamOf(gatewayId);
        GatewayMailbox? mailbox;
        bool known;
        lock (_lock)
        {
            known = _mailboxes.TryGetValue(streamId, out mailbox);
            if (!known)
            {
                _mailboxes.Add(streamId, mailbox = new GatewayMailbox(streamId));
            }

            mailbox!.GrainCalled = time.GetTimestamp();
        }

        var delivered = mailbox.PostAsync(batches);
        if (!known)
        {
            _ = ConnectAsync(mailbox);
        }

        return delivered;
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
                _free.Add(lane);
            }
        }
    }

    /// <summary>Nothing to do: a mailbox moves with its grain.</summary>
    protected override void OnClusterMembershipChange(HashSet<SiloAddress> activeSilos)
    {
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
                break;
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

        mailbox.Stop();
    }

    async Task GiveLaneAsync(GatewayMailbox mailbox)
    {
        bool added;
        lock (_lock)
        {
            var lane = _free.Find(lane => lane.CanTake(mailbox.StreamId));
            added = lane is null;
            if (lane is null)
            {
                uint number = (uint)_lanes.Count;
                _lanes.Add(lane = new MailboxLane(QueueId.GetQueueId(Mailbox.ProviderName, number, number), this));
            }
            else
            {
                _free.Remove(lane);
            }

            lane.Take(mailbox);
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

    [LoggerMessage(1, LogLevel.Warning, "It could not be found out who subscribes to mailbox {Mailbox}; it is tried again.")]
    partial void NoAnswer(StreamId mailbox, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "The silo's part in mailbox {Mailbox} could not be unregistered.")]
    partial void NotUnregistered(StreamId mailbox, Exception exception);
}
