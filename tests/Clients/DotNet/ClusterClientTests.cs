using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>The .NET client in a cluster whose gateways die.</summary>
[Collection(ClusterTests.Name)]
public sealed class ClusterClientTests(SharedCluster shared)
{
    readonly RealtimeCluster _cluster = shared.Cluster;

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whose_gateway_is_killed_while_offline_gets_at_the_other_one_exactly_what_was_missed_and_sends_exactly_what_was_queued()
    {
        await using var clients = new TestClients();
        using var rest = new RestApi(_cluster.Addresses[1]);
        using var network = new Network { Port = _cluster.Addresses[0].Port };
        var ann = await clients.ConnectAsync(_cluster.Addresses[1], await rest.TokenAsync("dotnet-ann"));
        var bob = await clients.ConnectAsync(_cluster.Addresses[0], await rest.TokenAsync("dotnet-bob"), network);
        await ann.Room("dotnet").JoinAsync(cancellationToken: Stop);
        await bob.Room("dotnet").JoinAsync(cancellationToken: Stop);
        await using var anns = new Reading(ann.Room("dotnet").ReadAllAsync(cancellationToken: Stop));
        await using var bobs = new Reading(bob.Room("dotnet").ReadAllAsync(cancellationToken: Stop));
        await using var inbox = new Reading(bob.Inbox.ReadAllAsync(cancellationToken: Stop));

        // Under way when the gateway dies: what it had taken is kept once, the rest is sent at the other one.
        var sent = Enumerable.Range(1, 200).Select(i => bob.Room("dotnet").Send($"bob {i}")).ToList();
        await sent[30].Kept.WaitAsync(Stop);
        network.Port = _cluster.Addresses[1].Port;
        await _cluster.Gateways[0].KillAsync();
        network.GoDown();
        for (int i = 1; i <= 150; i++)
        {
            ann.Room("dotnet").Send($"ann {i}");
        }

        await ann.Room("dotnet").SendAsync("ann's last", cancellationToken: Stop);
        await ann.Direct("dotnet-bob").SendAsync("direct", cancellationToken: Stop);
        var queued = Enumerable.Range(201, 50).Select(i => bob.Room("dotnet").Send($"bob {i}")).ToList();
        network.ComeBack();

        await Task.WhenAll(sent.Concat(queued).Select(message => message.Kept)).WaitAsync(Stop);
        await bobs.TextsAsync(401);
        await anns.TextsAsync(401);
        Assert.Equal(["direct"], await inbox.TextsAsync(1));
        Assert.Equal(Enumerable.Range(1, 250).Select(i => $"bob {i}"), bobs.Texts.Where(text => text.StartsWith("bob", StringComparison.Ordinal)));
        Assert.Equal([.. Enumerable.Range(1, 150).Select(i => $"ann {i}"), "ann's last"], bobs.Texts.Where(text => text.StartsWith("ann", StringComparison.Ordinal)));
        Assert.Equal(anns.Texts, bobs.Texts);
        var log = await rest.HistoryAsync(await rest.TokenAsync("watcher"), "dotnet");
        Assert.Equal(bobs.Texts, log.Select(message => message.GetProperty("data").ToString()));

        await _cluster.Gateways[0].StartAsync();
    }
}
