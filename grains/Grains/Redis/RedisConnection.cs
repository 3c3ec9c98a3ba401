using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>
/// The process's connection to Redis, shared by everything that sends ordinary commands. While Redis is away commands fail at once
/// (or after <see cref="RedisOptions.CommandTimeout"/> where it is only silent), and the connection comes back by itself.
/// </summary>
sealed class RedisConnection(IOptions<RedisOptions> options) : IAsyncDisposable
{
    readonly Lock _lock = new();
    Task<ConnectionMultiplexer>? _connecting;

    public RedisOptions Options => options.Value;

    /// <summary>Whether commands have a chance at the moment.</summary>
    public bool IsConnected => _connecting is { IsCompletedSuccessfully: true, Result.IsConnected: true };

    /// <summary>The shared connection, made at the first call.</summary>
    /// <exception cref="RedisStartupException">No Redis answers. Only the first connection is this strict.</exception>
    public Task<ConnectionMultiplexer> GetAsync()
    {
        lock (_lock)
        {
            return _connecting is null or { IsFaulted: true } ? _connecting = ConnectAsync(CreateConfiguration("realtime")) : _connecting;
        }
    }

    /// <summary>For use once the first connection has been made, which is the first thing a member of a cluster does.</summary>
    public IDatabase Database => _connecting is { IsCompletedSuccessfully: true, Result: var connection }
        ? connection.GetDatabase()
        : throw new InvalidOperationException("There is no connection to Redis yet.");

    /// <summary>A connection of one's own, for commands that block it. The caller disposes of it.</summary>
    public Task<ConnectionMultiplexer> ConnectForBlockingAsync(string name, TimeSpan block)
    {
        var configuration = CreateConfiguration(name);
        configuration.AsyncTimeout = (int)(block + Options.CommandTimeout).TotalMilliseconds;

        // No subscriptions: without them there is no second socket.
        configuration.CommandMap = CommandMap.Create(["SUBSCRIBE"], available: false);
        return ConnectAsync(configuration);
    }

    public async ValueTask DisposeAsync()
    {
        if (_connecting is { IsCompletedSuccessfully: true })
        {
            await (await _connecting).DisposeAsync();
        }
    }

    ConfigurationOptions CreateConfiguration(string name)
    {
        var configuration = ConfigurationOptions.Parse(Options.ConnectionString);
        configuration.ClientName = name;
        configuration.AbortOnConnectFail = true;
        configuration.SyncTimeout = configuration.AsyncTimeout = (int)Options.CommandTimeout.TotalMilliseconds;

        // What cannot be sent now fails now: the publisher is told and may retry, and nothing gathers here.
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.ReconnectRetryPolicy = new LinearRetry(500);
        return configuration;
    }

    static async Task<ConnectionMultiplexer> ConnectAsync(ConfigurationOptions configuration)
    {
        try
        {
            return await ConnectionMultiplexer.ConnectAsync(configuration);
        }
        catch (RedisConnectionException exception)
        {
            throw new RedisStartupException(
                $"No Redis answers at {string.Join(", ", configuration.EndPoints)}, which {RedisOptions.Section}:{nameof(RedisOptions.ConnectionString)} names ({exception.FailureType}).",
                exception);
        }
    }
}

/// <summary>Redis could not be reached when it had to be. The message names the setting.</summary>
sealed class RedisStartupException(string message, Exception inner) : Exception(message, inner);
