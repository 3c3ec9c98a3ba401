using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>
/// Appends that replicas must have before they are acknowledged. WAIT holds up its connection, so they have one of their own; and it
/// speaks for everything that was sent before it, so one is in flight and the next is for all who have asked meanwhile.
/// </summary>
sealed class ReplicatedAppends(RedisConnection redis) : IAsyncDisposable
{
    readonly Lock _lock = new();
    Task<ConnectionMultiplexer>? _connecting;
    Task<int> _current = Task.FromResult(0);
    Task<int>? _next;

    /// <exception cref="TimeoutException">Too few replicas have the append, which has happened.</exception>
    public async Task<RedisResult> RunAsync(RedisKey[] keys, RedisValue[] arguments)
    {
        var database = (await ConnectAsync()).GetDatabase();
        var result = await redis.RunAsync(database, d => ChannelScripts.Append.EvaluateAsync(d, keys, arguments));
        if ((int)result == 1 && await WaitAsync(database) is var replicas && replicas < redis.Options.Replicas)
        {
            throw new TimeoutException($"{replicas} of {redis.Options.Replicas} replicas have the append.");
        }

        return result;
    }

    public async ValueTask DisposeAsync()
    {
        if (_connecting is { IsCompletedSuccessfully: true } connected)
        {
            await (await connected).DisposeAsync();
        }
    }

    Task<ConnectionMultiplexer> ConnectAsync()
    {
        lock (_lock)
        {
            return _connecting is null or { IsFaulted: true }
                ? _connecting = redis.ConnectForBlockingAsync("realtime-append", redis.Options.CommandTimeout)
                : _connecting;
        }
    }

    /// <summary>How many replicas have everything that was sent before.</summary>
    Task<int> WaitAsync(IDatabase database)
    {
        lock (_lock)
        {
            return _next ??= WaitAfterAsync(_current, database);
        }
    }

    async Task<int> WaitAfterAsync(Task current, IDatabase database)
    {
        // Off the grain that happens to be the first to ask. What becomes of the current one is its own askers' concern.
        await current.ConfigureAwait(ConfigureAwaitOptions.ForceYielding | ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            (_current, _next) = (_next!, null);
        }

        return (int)await redis.RunAsync(
            database, d => d.ExecuteAsync("WAIT", redis.Options.Replicas, (int)redis.Options.CommandTimeout.TotalMilliseconds));
    }
}
