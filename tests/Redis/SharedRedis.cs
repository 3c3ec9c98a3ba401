using OrleansRealtime.Hosting;

namespace OrleansRealtime.Tests.Redis;

/// <summary>A server that the tests of a class share, each with channels of its own.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    internal RedisServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await RedisServer.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}

/// <summary>A Redis Cluster of one node, which has all slots.</summary>
public sealed class SharedRedisCluster : IAsyncLifetime
{
    internal RedisServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    internal static async Task<RedisServer> StartAsync()
    {
        var server = await RedisServer.StartAsync(false, "--cluster-enabled", "yes", "--cluster-port", $"{FreePort.Next()}");
        await server.CommandAsync("CLUSTER ADDSLOTSRANGE 0 16383");
        await Eventually.True(
            "the cluster is complete",
            async () => (await server.CommandAsync("CLUSTER INFO")).Contains("cluster_state:ok", StringComparison.Ordinal),
            () => server.Log);
        return server;
    }
}
