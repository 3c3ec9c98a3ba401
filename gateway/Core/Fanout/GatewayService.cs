using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// The life of a gateway: it subscribes to its mailbox before the first connection comes, renews its lease, compares its channels
/// with their logs, and at the end sends everybody away and retires.
/// </summary>
sealed partial class GatewayService(
    GatewayIdentity identity,
    GatewayHealth health,
    LocalChannels channels,
    Uplinks uplinks,
    Comparisons comparisons,
    ClientConnections connections,
    UserQuestions questions,
    IClusterClient cluster,
    IHostApplicationLifetime lifetime,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<GatewayService> logger) : PeriodicService(options.Value.Heartbeat, time), IHostedLifecycleService
{
    /// <summary>How long the cluster may take to answer a heartbeat, or a subscription.</summary>
    static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(5);

    static readonly TimeSpan JoinPause = TimeSpan.FromSeconds(1);

    /// <summary>Silence of the mailbox after which it is taken to be disconnected: it echoes every heartbeat.</summary>
    readonly TimeSpan _silence = TimeSpan.FromTicks(Math.Max(options.Value.Heartbeat.Ticks * 3, TimeSpan.FromSeconds(3).Ticks));

    readonly MailboxSequences _sequences = new(time);
    HashSet<SiloAddress> _silos = [];
    int _share;
    bool _cutOff;
    MailboxConnection? _mailbox;

    IGatewayGrain Lease => cluster.GetGrain<IGatewayGrain>(identity.Id);

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        _mailbox = new(identity, cluster, OnMailboxAsync, Time);
        uplinks.PassOn = channels.DeliverAsync;
        var answer = await JoinAsync(cancellationToken);
        (_silos, identity.Lease) = ([.. answer.Silos], answer.Lease);
        health.Answered(answer.LogAvailable);
        lifetime.ApplicationStopping.Register(connections.Refuse);
        health.HasStarted();
        Started(identity.Id);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Before the web server stops: connections are sent away while everything still works.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (_mailbox is not null)
        {
            Draining(connections.Count);
            await connections.DrainAsync(options.Value.DrainRate, options.Value.DrainTimeout, cancellationToken);
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await Lease.Retire().WaitAsync(AnswerTimeout, cancellationToken);
            await (_mailbox?.CloseAsync(AnswerTimeout) ?? Task.CompletedTask).WaitAsync(cancellationToken);
        }
        catch (Exception exception)
        {
            // The lease lapses by itself.
            NotRetired(exception);
        }
    }

    Task IHostedLifecycleService.StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedLifecycleService.StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    Task IHostedLifecycleService.StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task RunOnceAsync()
    {
        try
        {
            if (!await HeartbeatAsync() || _mailbox!.Silence > _silence)
            {
                await ReconnectMailboxAsync();
            }
        }
        catch (Exception exception)
        {
            health.DidNotAnswer();
            if (!_cutOff)
            {
                _cutOff = true;
                NoCluster(exception);
            }

            return;
        }

        try
        {
            if (!await _mailbox!.EndOthersAsync(AnswerTimeout))
            {
                await ReconnectMailboxAsync();
            }
        }
        catch (Exception exception)
        {
            OthersNotEnded(exception);
        }
    }

    /// <summary>Subscribes to the mailbox and takes a lease. A cluster whose silos cannot reach their Redis at the moment is waited for, as one without silos is.</summary>
    async Task<HeartbeatAnswer> JoinAsync(CancellationToken cancellationToken)
    {
        for (bool said = false; ; said = true)
        {
            try
            {
                await _mailbox!.ConnectAsync(Timeout.InfiniteTimeSpan);
                return await Lease.Heartbeat();
            }
            catch (Exception exception) when (exception is OrleansException or TimeoutException)
            {
                if (!said)
                {
                    NotJoined(exception);
                }

                await Task.Delay(JoinPause, Time, cancellationToken);
            }
        }
    }

    /// <summary>Returns whether the lease is the same as before.</summary>
    async Task<bool> HeartbeatAsync()
    {
        var answer = await Lease.Heartbeat().WaitAsync(AnswerTimeout, Time);
        health.Answered(answer.LogAvailable);
        bool sameLease = answer.Lease == identity.Lease;
        identity.Lease = answer.Lease;

        // A silo that has gone may have taken along what its grains had for us, and while we were cut off anybody may have.
        bool siloGone = !_silos.IsSubsetOf(answer.Silos);
        if (siloGone || _cutOff)
        {
            comparisons.CompareAll();
        }
        else
        {
            comparisons.CompareShare(_share, options.Value.HeartbeatsPerComparison);
        }

        _silos = [.. answer.Silos];
        _cutOff = false;
        _share = (_share + 1) % options.Value.HeartbeatsPerComparison;
        return sameLease;
    }

    /// <summary>The cluster may have dropped the subscription: with the lease, or because this process did not take what was delivered.</summary>
    async Task ReconnectMailboxAsync()
    {
        MailboxSilent(_mailbox!.Silence.TotalSeconds);
        try
        {
            await _mailbox.ConnectAsync(AnswerTimeout);
        }
        finally
        {
            comparisons.CompareAll();
        }
    }

    async Task OnMailboxAsync(MailboxBatch batch)
    {
        foreach (var mailboxEvent in batch.Events)
        {
            switch (mailboxEvent)
            {
                case DisconnectRequested request:
                    connections.Disconnect(request.Channel, request.ConnectionId);
                    break;
                case UserRequested request:
                    questions.Ask(request);
                    break;
                case UserRequestEnded ended:
                    questions.End(ended.RequestId);
                    break;
            }
        }

        bool lost = _sequences.IsHoleBefore(batch) || batch.Lost;
        await channels.DeliverAsync(batch);
        if (lost)
        {
            comparisons.CompareAll();
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Gateway {GatewayId} is ready.")]
    partial void Started(string gatewayId);

    [LoggerMessage(2, LogLevel.Warning, "The gateway could not retire; its lease will lapse.")]
    partial void NotRetired(Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "The cluster could not be reached; connections stay, and it is tried again. Said once until it answers.")]
    partial void NoCluster(Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "The lease or the subscription to the mailbox was lost, or nothing has come through it ({Seconds:0.0} s); the mailbox is connected again and all channels are declared.")]
    partial void MailboxSilent(double seconds);

    [LoggerMessage(6, LogLevel.Warning, "The cluster does not let the gateway in yet; it is tried again every second. Said once until it does.")]
    partial void NotJoined(Exception exception);

    [LoggerMessage(7, LogLevel.Debug, "Subscriptions to the mailbox that are left over could not be ended; it is tried again.")]
    partial void OthersNotEnded(Exception exception);

    [LoggerMessage(5, LogLevel.Information, "The gateway shuts down; {Connections} connections are sent away.")]
    partial void Draining(int connections);
}
