using OrleansRealtime.Hosting;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.Redis;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>
/// A cluster of real processes on this machine: a Redis with an append-only file, silos, and gateways. Each can be killed, stopped for
/// a while and started again on its port. A silo or gateway that ends by itself is started again, as Kubernetes would do.
/// </summary>
sealed class RealtimeCluster : IAsyncDisposable
{
    /// <summary>How long a gateway may be silent here before it is taken to be gone.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    readonly List<AppProcess> _silos = [];

    // Replaced, never changed: clients look at them at any time.
    volatile AppProcess[] _gateways = [];
    readonly Dictionary<string, string> _settings;

    RealtimeCluster(RedisServer redis, IEnumerable<(string Setting, string Value)> settings)
    {
        Redis = redis;
        _settings = new()
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["Realtime__Redis__ConnectionString"] = redis.ConnectionString,
            ["Realtime__Auth__Key"] = "one key for all gateways of the tests' cluster",
            ["Realtime__Gateways__Lease"] = $"{Lease}",
            ["Realtime__Gateway__SseHeartbeat"] = "00:00:03",
            ["Realtime__Gateway__SseRetry"] = "00:00:00.050",
        };
        foreach (var (setting, value) in settings)
        {
            _settings[setting.Replace(":", "__", StringComparison.Ordinal)] = value;
        }
    }

    public RedisServer Redis { get; }

    public IReadOnlyList<AppProcess> Silos => _silos;

    public IReadOnlyList<AppProcess> Gateways => _gateways;

    public IEnumerable<AppProcess> Nodes => _silos.Concat(_gateways);

    /// <summary>The gateways' addresses, in their order.</summary>
    public IReadOnlyList<Uri> Addresses => [.. _gateways.Select(g => g.Address)];

    public static async Task<RealtimeCluster> StartAsync(int silos = 2, int gateways = 2, params (string Setting, string Value)[] settings)
    {
        var cluster = new RealtimeCluster(await RedisServer.StartAsync(appendOnly: true), settings);
        try
        {
            for (int i = 0; i < silos; i++)
            {
                cluster._silos.Add(cluster.NewNode("silo/Silo"));
            }

            for (int i = 0; i < gateways; i++)
            {
                cluster._gateways = [.. cluster._gateways, cluster.NewNode("gateway/Gateway")];
            }

            foreach (var node in cluster.Nodes)
            {
                node.Launch();
            }

            await cluster.ReadyAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Completes when every node that is there is ready.</summary>
    public Task ReadyAsync() => Task.WhenAll(Nodes.Select(node => node.ReadyAsync()));

    /// <summary>Starts one more gateway.</summary>
    public async Task<AppProcess> AddGatewayAsync()
    {
        var gateway = NewNode("gateway/Gateway");
        await gateway.StartAsync();
        _gateways = [.. _gateways, gateway];
        return gateway;
    }

    /// <summary>Sends a gateway away in an orderly manner, and forgets it.</summary>
    public async Task RemoveGatewayAsync(AppProcess gateway)
    {
        _gateways = [.. _gateways.Where(g => g != gateway)];
        await gateway.TerminateAsync();
        await gateway.DisposeAsync();
    }

    /// <summary>Kills Redis and starts it again without what it had.</summary>
    public async Task RestartRedisEmptyAsync()
    {
        Redis.Kill();
        Directory.Delete(Path.Combine(Redis.Folder, "appendonlydir"), recursive: true);
        await Redis.RestartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        // What waits for Redis would not end in time otherwise; nothing here is asked how it ends.
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }

        await Redis.DisposeAsync();
    }

    AppProcess NewNode(string program) => new(program, new Uri($"http://127.0.0.1:{FreePort.Next()}"), _settings, supervised: true);
}
