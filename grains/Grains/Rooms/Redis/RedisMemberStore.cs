using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Rooms.Redis;

/// <summary>One Redis set for each room. It expires when it has not been changed or replaced for a day.</summary>
sealed class RedisMemberStore(RedisConnection redis) : IMemberStore
{
    static readonly TimeSpan Expiry = TimeSpan.FromDays(1);

    readonly RedisKeys _keys = new(redis.Options.KeyPrefix);

    public async Task<IReadOnlyList<string>> ReadAsync(ChannelId room)
    {
        var members = await redis.RunAsync(database => database.SetMembersAsync(_keys.Members(room))).OrUnavailable();
        return [.. members.Select(member => member.ToString())];
    }

    public Task ChangeAsync(ChannelId room, IReadOnlyCollection<string> joined, IReadOnlyCollection<string> left) =>
        WriteAsync((database, key) =>
        [
            joined.Count > 0 ? database.SetAddAsync(key, ValuesOf(joined)) : Task.CompletedTask,
            left.Count > 0 ? database.SetRemoveAsync(key, ValuesOf(left)) : Task.CompletedTask,
            database.KeyExpireAsync(key, Expiry),
        ], room);

    public Task ReplaceAsync(ChannelId room, IReadOnlyCollection<string> members) =>
        WriteAsync((database, key) =>
        [
            database.KeyDeleteAsync(key),
            members.Count > 0 ? database.SetAddAsync(key, ValuesOf(members)) : Task.CompletedTask,
            database.KeyExpireAsync(key, Expiry),
        ], room);

    /// <summary>The commands are sent before this returns, and Redis executes them in this order: they share a connection with those of other calls.</summary>
    async Task WriteAsync(Func<IDatabase, RedisKey, Task[]> commands, ChannelId room) =>
        await redis.RunAsync(async database =>
        {
            await Task.WhenAll(commands(database, _keys.Members(room)));
            return true;
        }).OrUnavailable();

    static RedisValue[] ValuesOf(IReadOnlyCollection<string> members) => [.. members.Select(member => (RedisValue)member)];
}
