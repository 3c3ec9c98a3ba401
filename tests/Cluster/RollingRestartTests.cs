using OrleansRealtime.Tests.Cluster.Clients;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>A new version is rolled out: every node is sent away in turn and replaced, while clients talk.</summary>
[Collection(ClusterTests.Name)]
public sealed class RollingRestartTests(SharedCluster shared)
{
    readonly RealtimeCluster _cluster = shared.Cluster;

    [Fact]
    public async Task A_rolling_restart_of_all_nodes_under_load_loses_and_doubles_nothing()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 3, Members: 4, Visitors: 3));
        crowd.BeginLoad(TimeSpan.FromMilliseconds(100));
        await crowd.PublishAsync(3);
        foreach (var node in _cluster.Nodes.ToList())
        {
            crowd.Chronicle.Write(Records.Chronicle.Everybody, $"{node.Address.Port} is sent away");
            await node.TerminateAsync();
            await node.StartAsync();
            crowd.Chronicle.Write(Records.Chronicle.Everybody, $"{node.Address.Port} is back");
        }

        await crowd.PublishAsync(3);
        await crowd.EndLoadAsync();
        await crowd.HasLostNothingAsync();
        Assert.Equal(0, crowd.Members.Count(m => m.Connections > 1 + (3 * _cluster.Gateways.Count)));
    }
}
