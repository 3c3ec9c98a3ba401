using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>
/// The process's connection to Redis, shared by everything that sends ordinary commands. While Redis is away commands fail at once,
/// and the connection comes back by itself. Where Redis is only silent, those that it owes an answer fail after
/// <see cref="RedisOptions.CommandTimeout"/> (looked after once a second), and others at once from then on.
/// </summary>
sealed class RedisConnection(IOptions<RedisOptions> options) : IAsyncDisposable
{
    readonly Lock _lock = new();
    Task<ConnectionMultiplexer>? _connecting;

    /// <summary>The last command that has completed got no answer. Then <see cref="_probing"/> is so, too.</summary>
    volatile bool _silent;

    /// <summary>A PING is on its way to find out whether Redis is still silent.</summary>
    bool _probing;

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
    /// Runs a command. Where one has had no answer in time, the connection itself asks Redis until it answers, and all commands fail at
    /// once meanwhile, instead of waiting each in vain.
    /// </summary>
    public Task<T> RunAsync<T>(Func<IDatabase, Task<T>> command) => RunAsync(Database, command);

    /// <summary>The same on another connection to the same Redis.</summary>
    public async Task<T> RunAsync<T>(IDatabase database, Func<IDatabase, Task<T>> command)
    {
        if (_silent)
        {
            throw new RedisConnectionException(
                ConnectionFailureType.None, CommandFlags.None, "Redis is connected but does not answer.", null, CommandStatus.WaitingToBeSent);
        }

        try
        {
            return await command(database);
        }
        catch (RedisTimeoutException)
        {
            Silent(database);
            throw;
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

    void Silent(IDatabase database)
    {
        lock (_lock)
        {
            _silent = true;
            if (_probing)
            {
                return;
            }

            _probing = true;
        }

        // Off the grain whose command it was.
        _ = Task.Run(() => ProbeAsync(database));
    }

    async Task ProbeAsync(IDatabase database)
    {
        while (!await AnswersAsync(database))
        {
        }

        lock (_lock)
        {
            (_silent, _probing) = (false, false);
        }
    }

    /// <summary>Takes as long as a command may where there is no answer. Any error but silence comes to a command at once, too.</summary>
    static async Task<bool> AnswersAsync(IDatabase database)
    {
        try
        {
            await database.PingAsync();
        }
        catch (RedisTimeoutException)
        {
            return false;
        }
        catch (Exception exception) when (exception is RedisException or ObjectDisposedException or OperationCanceledException)
        {
        }

        return true;
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
