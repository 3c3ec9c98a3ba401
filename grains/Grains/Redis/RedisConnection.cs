using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>
/// The process's connection to Redis, shared by everything that sends ordinary commands. While Redis is away commands fail at once,
/// and the connection comes back by itself. Where Redis is only silent, those that it owes an answer fail after
/// <see cref="RedisOptions.CommandTimeout"/> (looked after once a second), and then all but one at a time at once: see <see cref="RunAsync{T}(Func{IDatabase, Task{T}})"/>.
/// </summary>
sealed class RedisConnection(IOptions<RedisOptions> options) : IAsyncDisposable
{
    readonly Lock _lock = new();
    Task<ConnectionMultiplexer>? _connecting;

    /// <summary>The last command that has completed got no answer.</summary>
    volatile bool _silent;

    /// <summary>1 while a command finds out whether Redis is still silent.</summary>
    int _probing;

    public RedisOptions Options => options.Value;

    /// <summary>Whether commands have a chance at the moment.</summary>
    public bool IsAnswering => !_silent && _connecting is { IsCompletedSuccessfully: true, Result.IsConnected: true };

    /// <summary>The shared connection, made at the first call.</summary>
    /// <exception cref="RedisStartupException">No Redis answers. Only the first connection is this strict.</exception>
    public Task<ConnectionMultiplexer> GetAsync()
    {
        lock (_lock)
        {
            return _connecting is null or { IsFaulted: true } ? _connecting = ConnectFirstAsync() : _connecting;
        }
    }

    /// <summary>For use once the first connection has been made, which is the first thing a member of a cluster does.</summary>
    public IDatabase Database => _connecting is { IsCompletedSuccessfully: true, Result: var connection }
        ? connection.GetDatabase()
        : throw new InvalidOperationException("There is no connection to Redis yet.");

    /// <summary>
    /// Runs a command. While Redis is silent, one command at a time is sent to find out, and all others fail at once instead of waiting
    /// for an answer, each of them in vain.
    /// </summary>
    public Task<T> RunAsync<T>(Func<IDatabase, Task<T>> command) => RunAsync(Database, command);

    /// <summary>The same on another connection to the same Redis.</summary>
    public async Task<T> RunAsync<T>(IDatabase database, Func<IDatabase, Task<T>> command)
    {
        bool probe = _silent;
        if (probe && Interlocked.Exchange(ref _probing, 1) == 1)
        {
            throw new RedisConnectionException(
                ConnectionFailureType.None, CommandFlags.None, "Redis is connected but does not answer.", null, CommandStatus.WaitingToBeSent);
        }

        try
        {
            var result = await command(database);
            _silent = false;
            return result;
        }
        catch (RedisServerException)
        {
            _silent = false;
            throw;
        }
        catch (TimeoutException)
        {
            _silent = true;
            throw;
        }
        finally
        {
            if (probe)
            {
                Volatile.Write(ref _probing, 0);
            }
        }
    }

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

    async Task<ConnectionMultiplexer> ConnectFirstAsync()
    {
        var connection = await ConnectAsync(CreateConfiguration("realtime"));
        if (Options.Replicas > 0 && connection.GetServers().Any(server => server.ServerType == ServerType.Cluster))
        {
            await connection.DisposeAsync();
            throw new RedisStartupException(
                $"{RedisOptions.Section}:{nameof(RedisOptions.Replicas)} must be 0 with a Redis Cluster, which {RedisOptions.Section}:{nameof(RedisOptions.ConnectionString)} names.");
        }

        return connection;
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

/// <summary>Redis could not be reached when it had to be, or is not of the kind that the settings presume. The message names the setting.</summary>
sealed class RedisStartupException(string message, Exception? inner = null) : Exception(message, inner);
