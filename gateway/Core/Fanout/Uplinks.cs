using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>The ways up to the channels that this gateway talks to at the moment.</summary>
sealed class Uplinks(GatewayIdentity gateway, IClusterClient cluster, TimeProvider time, ILogger<Uplinks> logger)
{
    readonly UplinkCalls _calls = new(time);
    readonly ConcurrentDictionary<ChannelId, Uplink> _uplinks = new();

    /// <summary>Passes on what has been published here and does not come through the mailbox.</summary>
    public Func<ChannelMessages, Task> PassOn { get; set; } = static _ => Task.CompletedTask;

    public Task<PublishResult> PublishAsync(ChannelId channel, Publication publication)
    {
        Task<PublishResult>? done;
        while ((done = Get(channel).Publish(publication)) is null)
        {
        }

        return done;
    }

    public void SetPresence(ChannelId channel, PresenceCount count)
    {
        while (!Get(channel).SetPresence(count))
        {
        }
    }

    public Task<ChannelHead> DeclareAsync(
        ChannelId channel, bool interested, IReadOnlyCollection<PresenceCount>? completePresence = null, Cursor? position = null)
    {
        Task<ChannelHead>? declared;
        while ((declared = Get(channel).Declare(interested, completePresence, position)) is null)
        {
        }

        return declared;
    }

    /// <summary>Drops the uplinks on which nothing has been under way since the last time; they keep no state.</summary>
    public void Sweep()
    {
        foreach (var (channel, uplink) in _uplinks)
        {
            if (uplink.TryClose())
            {
                _uplinks.TryRemove(new(channel, uplink));
            }
        }
    }

    // A closed uplink that is still listed is replaced.
    Uplink Get(ChannelId channel) => _uplinks.GetOrAdd(
        channel, static (id, self) => new Uplink(id, self.Gateway, self.Calls, () => self.Cluster.GetChannel(id), self.PassOn, self.Time, self.Logger),
        new Context(gateway, _calls, cluster, PassOn, time, logger));

    readonly record struct Context(
        GatewayIdentity Gateway, UplinkCalls Calls, IClusterClient Cluster, Func<ChannelMessages, Task> PassOn, TimeProvider Time, ILogger Logger);
}

/// <summary>Who this gateway is: a new id at every start, so that nothing of an earlier life is taken for its own.</summary>
sealed class GatewayIdentity
{
    public string Id { get; } = $"{Environment.MachineName}-{Guid.NewGuid():n}";

    /// <summary>The lease as the last heartbeat was answered; 0 before the first.</summary>
    public long Lease { get; set; }

    long _batches;

    /// <summary>For each call to a channel's grain: they ascend.</summary>
    public long NextBatch() => Interlocked.Increment(ref _batches);
}
