using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>Redis sets of names that a channel's next activation is to find. One that has not been changed or replaced for a day expires.</summary>
sealed class RedisNameSets(RedisConnection redis)
{
    static readonly TimeSpan Expiry = TimeSpan.FromDays(1);

    public RedisKeys Keys { get; } = new(redis.Options.KeyPrefix);

    public async Task<IReadOnlyList<string>> ReadAsync(RedisKey key)
    {
        var names = await redis.RunAsync(database => database.SetMembersAsync(key)).OrUnavailable();
        return [.. names.Select(name => name.ToString())];
    }

    public Task ChangeAsync(RedisKey key, IReadOnlyCollection<string> added, IReadOnlyCollection<string> removed) =>
        WriteAsync(database =>
        [
            added.Count > 0 ? database.SetAddAsync(key, ValuesOf(added)) : Task.CompletedTask,
            removed.Count > 0 ? database.SetRemoveAsync(key, ValuesOf(removed)) : Task.CompletedTask,
            database.KeyExpireAsync(key, Expiry),
        ]);

    public Task ReplaceAsync(RedisKey key, IReadOnlyCollection<string> names) =>
        WriteAsync(database =>
        [
            database.KeyDeleteAsync(key),
            names.Count > 0 ? database.SetAddAsync(key, ValuesOf(names)) : Task.CompletedTask,
            database.KeyExpireAsync(key, Expiry),
        ]);

    /// <summary>The commands are sent before this returns, and Redis executes them in this order: they share a connection with those of other calls.</summary>
    async Task WriteAsync(Func<IDatabase, Task[]> commands) =>
        await redis.RunAsync(async database =>
        {
            await Task.WhenAll(commands(database));
            return true;
        }).OrUnavailable();

    static RedisValue[] ValuesOf(IReadOnlyCollection<string> names) => [.. names.Select(name => (RedisValue)name)];
}
