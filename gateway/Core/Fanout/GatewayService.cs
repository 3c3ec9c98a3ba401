using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// The life of a gateway: it subscribes to its mailbox before the first connection comes, renews its lease, compares its channels
/// with their logs, and at the end sends everybody away and retires.
/// </summary>
sealed partial class GatewayService(
    GatewayIdentity identity,
    LocalChannels channels,
    Uplinks uplinks,
    ClientConnections connections,
    IClusterClient cluster,
    IHostApplicationLifetime lifetime,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<GatewayService> logger) : PeriodicService(GatewayService.Housekeeping, time)
{
    /// <summary>How often expired tokens, idle channels and handed-out inboxes are looked after.</summary>
    static readonly TimeSpan Housekeeping = TimeSpan.FromSeconds(1);

    readonly MailboxSequences _sequences = new(time);
    long _lastHeartbeat;
    int _share;
    StreamSubscriptionHandle<MailboxBatch>? _mailbox;

    IGatewayGrain Lease => cluster.GetGrain<IGatewayGrain>(identity.Id);

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        var stream = cluster.ServiceProvider.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName)
            .GetStream<MailboxBatch>(Mailbox.StreamOf(identity.Id));
        _mailbox = await stream.SubscribeAsync((batch, _) => OnMailboxAsync(batch));
        await Lease.Heartbeat();
        _lastHeartbeat = Time.GetTimestamp();
        lifetime.ApplicationStopping.Register(connections.ShutDown);
        Started(identity.Id);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await Lease.Retire().WaitAsync(cancellationToken);
            await (_mailbox?.UnsubscribeAsync() ?? Task.CompletedTask).WaitAsync(cancellationToken);
        }
        catch (Exception exception)
        {
            // The lease lapses by itself.
            NotRetired(exception);
        }
    }

    protected override async Task RunOnceAsync()
    {
        connections.CloseExpired();
        channels.Sweep();
        uplinks.Sweep();
        try
        {
            await channels.ReportDeliveredAsync();
            if (Time.GetElapsedTime(_lastHeartbeat) >= options.Value.Heartbeat)
            {
                _lastHeartbeat = Time.GetTimestamp();
                await HeartbeatAsync();
            }
        }
        catch (Exception exception)
        {
            NoCluster(exception);
        }
    }

    async Task HeartbeatAsync()
    {
        int shares = options.Value.HeartbeatsPerComparison;
        if (await Lease.Heartbeat())
        {
            await channels.CompareAsync(_share, shares);
        }
        else
        {
            // The lease lapsed or was lost with its silo: the grains may have forgotten us, and the mailbox our subscription.
            _mailbox = await _mailbox!.ResumeAsync((batch, _) => OnMailboxAsync(batch));
            await channels.CompareAsync(0, 1);
        }

        _share = (_share + 1) % shares;
    }

    async Task OnMailboxAsync(MailboxBatch batch)
    {
        foreach (var mailboxEvent in batch.Events)
        {
            if (mailboxEvent is DisconnectRequested request)
            {
                connections.Disconnect(request.Channel, request.ConnectionId);
            }
        }

        bool lost = _sequences.IsHoleBefore(batch) || batch.Lost;
        await channels.DeliverAsync(batch);
        if (lost)
        {
            _ = Task.Run(() => channels.CompareAsync(0, 1));
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Gateway {GatewayId} is ready.")]
    partial void Started(string gatewayId);

    [LoggerMessage(2, LogLevel.Warning, "The gateway could not retire; its lease will lapse.")]
    partial void NotRetired(Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "The cluster could not be reached; connections stay, and it is tried again.")]
    partial void NoCluster(Exception exception);
}
