using OrleansRealtime.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>One Redis set for each channel.</summary>
sealed class RedisInterestStore(RedisConnection redis) : IInterestStore
{
    readonly RedisNameSets _sets = new(redis);

    public Task<IReadOnlyList<string>> ReadAsync(ChannelId channel) => _sets.ReadAsync(_sets.Keys.Gateways(channel));

    public Task SetAsync(ChannelId channel, string gatewayId, bool interested) =>
        _sets.ChangeAsync(_sets.Keys.Gateways(channel), interested ? [gatewayId] : [], interested ? [] : [gatewayId]);
}
