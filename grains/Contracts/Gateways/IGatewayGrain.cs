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
    /// <summary>Renews the lease. Returns false where the lease was not known (new, lapsed, or lost with its silo): then the gateway declares all its channels again.</summary>
    [AlwaysInterleave, Alias("Heartbeat")]
    Task<bool> Heartbeat();

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
