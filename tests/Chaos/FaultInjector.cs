using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Cluster.Clients;
using OrleansRealtime.Tests.Cluster.Records;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Chaos;

/// <summary>Does to a cluster what a schedule says. Faults of different nodes may last side by side; those of one node take turns.</summary>
sealed class FaultInjector(RealtimeCluster cluster, Crowd crowd)
{
    readonly Dictionary<object, SemaphoreSlim> _turns =
        cluster.Nodes.Cast<object>().Append(cluster.Redis).Append(crowd).ToDictionary(t => t, _ => new SemaphoreSlim(1));

    /// <summary>Completes when all faults are over and every node is ready again.</summary>
    public async Task<IReadOnlyList<Injected>> RunAsync(IReadOnlyList<Fault> schedule, CancellationToken cancellationToken)
    {
        var running = new List<Task<Injected>>();
        var start = DateTime.UtcNow;
        foreach (var fault in schedule)
        {
            await Pause.ForAsync(start + fault.At - DateTime.UtcNow, cancellationToken);
            running.Add(InjectAsync(fault));
        }

        var injected = await Task.WhenAll(running);
        await cluster.ReadyAsync();
        return injected;
    }

    async Task<Injected> InjectAsync(Fault fault)
    {
        object target = fault.Kind switch
        {
            FaultKind.GatewayKilled or FaultKind.GatewayPaused => cluster.Gateways[fault.Target],
            FaultKind.SiloKilled or FaultKind.SiloPaused => cluster.Silos[fault.Target],
            FaultKind.ConnectionsCut => crowd,
            _ => cluster.Redis,
        };
        await _turns[target].WaitAsync();
        try
        {
            var at = DateTime.UtcNow;
            Tell($"{fault} begins");
            await ApplyAsync(fault, target as AppProcess);
            Tell($"{fault} is over");
            return new(fault, at, DateTime.UtcNow);
        }
        finally
        {
            _turns[target].Release();
        }
    }

    async Task ApplyAsync(Fault fault, AppProcess? node)
    {
        switch (fault.Kind)
        {
            case FaultKind.GatewayKilled or FaultKind.SiloKilled:
                await node!.KillAsync();
                await Pause.ForAsync(fault.Duration);
                node.Launch();
                break;
            case FaultKind.GatewayPaused or FaultKind.SiloPaused:
                node!.Pause();
                await Pause.ForAsync(fault.Duration);
                node.Resume();
                break;
            case FaultKind.RedisKilled:
                cluster.Redis.Kill();
                await Pause.ForAsync(fault.Duration);
                await cluster.Redis.RestartAsync();
                break;
            case FaultKind.RedisPaused:
                cluster.Redis.Pause();
                await Pause.ForAsync(fault.Duration);
                cluster.Redis.Resume();
                break;
            case FaultKind.ConnectionsCut:
                foreach (var client in crowd.Clients.Where((_, i) => i % 2 == fault.Target))
                {
                    client.Cut();
                }

                break;
        }
    }

    void Tell(string text) => crowd.Chronicle.Write(Chronicle.Everybody, text);
}

/// <summary>A fault as it has been.</summary>
sealed record Injected(Fault Fault, DateTime Began, DateTime Ended);
