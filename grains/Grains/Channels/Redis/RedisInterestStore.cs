using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>One Redis set for each channel. It expires when no gateway has been added for a day.</summary>
sealed class RedisInterestStore(RedisConnection redis) : IInterestStore
{
    static readonly TimeSpan Expiry = TimeSpan.FromDays(1);

    readonly RedisKeys _keys = new(redis.Options.KeyPrefix);

    public async Task<IReadOnlyList<string>> ReadAsync(ChannelId channel)
    {
        var ids = await redis.RunAsync(database => database.SetMembersAsync(_keys.Gateways(channel))).OrUnavailable();
        return [.. ids.Select(id => id.ToString())];
    }

    public async Task SetAsync(ChannelId channel, string gatewayId, bool interested)
    {
        var key = _keys.Gateways(channel);
        await redis.RunAsync(database => interested ? AddAsync(database, key, gatewayId) : database.SetRemoveAsync(key, gatewayId)).OrUnavailable();
    }

    static async Task<bool> AddAsync(IDatabase database, RedisKey key, string gatewayId)
    {
        var added = database.SetAddAsync(key, gatewayId);
        var expiry = database.KeyExpireAsync(key, Expiry);
        await Task.WhenAll(added, expiry);
        return await added;
    }
}
