using Microsoft.Extensions.Options;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Redis;

/// <summary>A store as a silo has it: with a connection of its own.</summary>
sealed class ConnectedStore : IAsyncDisposable
{
    ConnectedStore(RedisConnection connection, TimeProvider time)
    {
        Connection = connection;
        Store = new(connection, time);
    }

    public RedisConnection Connection { get; }

    public RedisChannelStore Store { get; }

    public IDatabase Database => Connection.Database;

    public static async Task<ConnectedStore> ConnectAsync(string connectionString, TimeProvider time, TimeSpan? commandTimeout = null, int replicas = 0)
    {
        var connection = new RedisConnection(Options.Create(new RedisOptions
        {
            ConnectionString = connectionString,
            CommandTimeout = commandTimeout ?? TimeSpan.FromSeconds(5),
            Replicas = replicas,
        }));
        await connection.GetAsync();
        return new(connection, time);
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        await Connection.DisposeAsync();
    }
}
