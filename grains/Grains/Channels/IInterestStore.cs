namespace OrleansRealtime.Channels;

/// <summary>
/// Remembers which gateways want a channel's events, so that an activation that begins anew on another silo knows them at once. What
/// it remembers may be stale: a gateway that is gone is found out by its lease. Where the store cannot be reached, both members throw
/// <see cref="ChannelUnavailableException"/>.
/// </summary>
public interface IInterestStore
{
    Task<IReadOnlyList<string>> ReadAsync(ChannelId channel);

    Task SetAsync(ChannelId channel, string gatewayId, bool interested);
}

/// <summary>Where silo and gateway are one process, nobody's interest outlives the channel's activation.</summary>
sealed class NoInterestStore : IInterestStore
{
    public Task<IReadOnlyList<string>> ReadAsync(ChannelId channel) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task SetAsync(ChannelId channel, string gatewayId, bool interested) => Task.CompletedTask;
}
