using OrleansRealtime.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>One Redis set for each channel. It expires when no gateway has been added for a day.</summary>
sealed class RedisInterestStore(RedisConnection redis) : IInterestStore
{
    static readonly TimeSpan Expiry = TimeSpan.FromDays(1);

    readonly RedisKeys _keys = new(redis.Options.KeyPrefix);

    public async Task<IReadOnlyList<string>> ReadAsync(ChannelId channel) =>
        [.. (await redis.Database.SetMembersAsync(_keys.Gateways(channel))).Select(id => id.ToString())];

    public async Task SetAsync(ChannelId channel, string gatewayId, bool interested)
    {
        var key = _keys.Gateways(channel);
        if (!interested)
        {
            await redis.Database.SetRemoveAsync(key, gatewayId);
            return;
        }

        var added = redis.Database.SetAddAsync(key, gatewayId);
        await redis.Database.KeyExpireAsync(key, Expiry);
        await added;
    }
}
