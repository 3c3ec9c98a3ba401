using OrleansRealtime.Channels;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>
/// The names of all keys. Those of one channel share a hash tag, the channel's name in braces, and so lie on one node of a Redis
/// Cluster; docs/redis.md lists them. Every channel's tag begins with its kind, so that it is never empty.
/// </summary>
readonly record struct RedisKeys(string Prefix)
{
    /// <summary>Stream: the channel's durable messages, with ids <c>offset-0</c>.</summary>
    public RedisKey Log(ChannelId channel) => Of(channel, "log");

    /// <summary>Hash: epoch, head and revision of the channel.</summary>
    public RedisKey Position(ChannelId channel) => Of(channel, "position");

    /// <summary>Hash: key to the newest <see cref="Delivery.Latest"/> value.</summary>
    public RedisKey Latest(ChannelId channel) => Of(channel, "latest");

    /// <summary>Sorted set: keys of <see cref="Latest"/> by revision.</summary>
    public RedisKey LatestOrder(ChannelId channel) => Of(channel, "latest-order");

    /// <summary>Set: ids of the gateways that want the channel's events.</summary>
    public RedisKey Gateways(ChannelId channel) => Of(channel, "gateways");

    /// <summary>Set: the members of whose coming the room has told.</summary>
    public RedisKey Members(ChannelId room) => Of(room, "members");

    RedisKey Of(ChannelId channel, string part) => $"{Prefix}:{{{channel}}}:{part}";
}
