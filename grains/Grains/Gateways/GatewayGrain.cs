using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Gateways;

/// <summary>
/// A gateway's lease and the channels that want to know when it ends. All of it is in memory: should it be lost with its silo, the
/// gateway's next heartbeat is answered with another lease and the gateway declares all its channels again.
/// </summary>
sealed partial class GatewayGrain(
    IOptions<GatewayLeaseOptions> options,
    Outboxes outboxes,
    MailboxSubscriptions subscriptions,
    IChannelStore store,
    ISiloStatusOracle silos,
    IClusterMembershipService membership,
    TimeProvider time,
    ILogger<GatewayGrain> logger) : Grain, IGatewayGrain
{
    readonly HashSet<ChannelId> _channels = [];
    long _lease = NewLease();
    bool _alive;
    long _renewed;
    long _checked;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _renewed = _checked = time.GetTimestamp();
        var period = options.Value.Lease / 5;
        this.RegisterGrainTimer(_ => CheckLease(), (object?)null, new GrainTimerCreationOptions(period, period) { Interleave = true, KeepAlive = true });
        return Task.CompletedTask;
    }

    public Task<HeartbeatAnswer> Heartbeat()
    {
        _alive = true;
        _renewed = time.GetTimestamp();
        outboxes.Post(this.GetPrimaryKeyString(), new HeartbeatEchoed());
        return Task.FromResult(new HeartbeatAnswer([.. silos.GetApproximateSiloStatuses(onlyActive: true).Keys], store.IsAvailable, _lease));
    }

    public Task Watch(ChannelId channel)
    {
        _channels.Add(channel);
        return Task.CompletedTask;
    }

    public Task Unwatch(ChannelId channel)
    {
        _channels.Remove(channel);
        return Task.CompletedTask;
    }

    public async Task Retire()
    {
        await End();
        DeactivateOnIdle();
    }

    async Task CheckLease()
    {
        if (time.GetElapsedTime(_checked) > options.Value.Lease / 2)
        {
            // This silo has stood still, and heartbeats may wait here.
            _renewed = time.GetTimestamp();
        }
        else if (HasLapsed && await IsSiloAlive() && HasLapsed)
        {
            await EndLapsed();
        }

        _checked = time.GetTimestamp();
    }

    bool HasLapsed => time.GetElapsedTime(_renewed) >= options.Value.Lease;

    /// <summary>
    /// A silo that counts as dead and has not noticed gets no heartbeats, because they go to another one. Where it is not known, leases go on. To find out takes time, in which a
    /// heartbeat may come.
    /// </summary>
    async Task<bool> IsSiloAlive()
    {
        try
        {
            // Reads the membership anew. A silo that finds itself dead there ends its process.
            await membership.Refresh();
            return silos.CurrentStatus == SiloStatus.Active;
        }
        catch (Exception exception)
        {
            MembershipNotRead(this.GetPrimaryKeyString(), exception);
            return false;
        }
    }

    async Task EndLapsed()
    {
        if (_alive || _channels.Count > 0)
        {
            Lapsed(this.GetPrimaryKeyString(), _channels.Count);
        }

        await End();
        if (!_alive && _channels.Count == 0)
        {
            DeactivateOnIdle();
        }
    }

    /// <summary>
    /// Tells every channel, a bounded number at a time. A channel that cannot be told stays on the list for the next check. Only after that is it another lease: a gateway that comes
    /// back meanwhile and declared its channels at once could be forgotten by one of them afterwards.
    /// </summary>
    async Task End()
    {
        string gatewayId = this.GetPrimaryKeyString();
        _alive = false;
        foreach (var some in _channels.Chunk(64).ToList())
        {
            if (_alive)
            {
                break;
            }

            await Task.WhenAll(some.Select(channel => ForgetAsync(channel, gatewayId)));
        }

        if (!_alive)
        {
            await RemoveMailboxAsync(gatewayId);
        }

        _lease = NewLease();
    }

    async Task ForgetAsync(ChannelId channel, string gatewayId)
    {
        _channels.Remove(channel);
        try
        {
            await GrainFactory.GetChannel(channel).Forget(gatewayId);
        }
        catch (Exception exception)
        {
            _channels.Add(channel);
            NotForgotten(channel, gatewayId, exception);
        }
    }

    async Task RemoveMailboxAsync(string gatewayId)
    {
        outboxes.Remove(gatewayId);
        try
        {
            await subscriptions.RemoveAsync(gatewayId);
        }
        catch (Exception exception)
        {
            // It stays behind, and costs a record.
            MailboxNotRemoved(gatewayId, exception);
        }
    }

    static long NewLease() => Random.Shared.NextInt64(1, long.MaxValue);

    [LoggerMessage(1, LogLevel.Warning, "The lease of gateway {GatewayId} has lapsed; {Channels} channels forget it.")]
    partial void Lapsed(string gatewayId, int channels);

    [LoggerMessage(2, LogLevel.Warning, "{Channel} could not be told that gateway {GatewayId} is gone; it is told again.")]
    partial void NotForgotten(ChannelId channel, string gatewayId, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "The mailbox of gateway {GatewayId} could not be removed.")]
    partial void MailboxNotRemoved(string gatewayId, Exception exception);

    [LoggerMessage(4, LogLevel.Debug, "Whether this silo counts as alive could not be found out; the lease of gateway {GatewayId} goes on.")]
    partial void MembershipNotRead(string gatewayId, Exception exception);
}
