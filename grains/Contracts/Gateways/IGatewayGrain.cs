using Orleans.Concurrency;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateways;

/// <summary>
/// A gateway's lease, under the id that the gateway chose at its start. While heartbeats come it lives; when they stop, every
/// channel it had an interest in forgets it.
/// </summary>
[Alias("OrleansRealtime.IGatewayGrain")]
public interface IGatewayGrain : IGrainWithStringKey
{
    /// <summary>Renews the lease, and sends an echo through the mailbox.</summary>
    [AlwaysInterleave, Alias("Heartbeat")]
    Task<HeartbeatAnswer> Heartbeat();

    /// <summary>The channel has the gateway among its interested ones and wants to be told when it is gone.</summary>
    [AlwaysInterleave, Alias("Watch")]
    Task Watch(ChannelId channel);

    /// <summary>The channel no longer needs to be told.</summary>
    [AlwaysInterleave, Alias("Unwatch")]
    Task Unwatch(ChannelId channel);

    /// <summary>The gateway stops in an orderly way: as a lapse, at once.</summary>
    [AlwaysInterleave, Alias("Retire")]
    Task Retire();
}

/// <param name="Silos">The silos that are alive. Where one has gone, what its grains had for the gateway may be lost.</param>
/// <param name="LogAvailable">Whether messages can be kept at the moment.</param>
/// <param name="Lease">
/// Another one after the lease has lapsed or was lost with its silo. Then the channels may have forgotten the gateway, or nobody knows any more which of them are to be told when it
/// ends: it declares all of them again.
/// </param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.HeartbeatAnswer")]
public sealed record HeartbeatAnswer(
    [property: Id(1)] IReadOnlyList<SiloAddress> Silos,
    [property: Id(2)] bool LogAvailable,
    [property: Id(3)] long Lease);
