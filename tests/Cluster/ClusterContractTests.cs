using System.Net.Http.Headers;
using OrleansRealtime.Tests.Contracts;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;
using OrleansRealtime.Tests.Sse;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>What every transport promises, on two silos and two gateways: clients alternate between the gateways.</summary>
[Collection(CalmClusterTests.Name)]
public sealed class SignalRClusterContractTests(CalmCluster shared) : TransportContract(new ContractCluster(shared.Cluster))
{
    internal override ITransport Transport { get; } = new SignalRTransport(messagePack: false);
}

[Collection(CalmClusterTests.Name)]
public sealed class SseClusterContractTests(CalmCluster shared) : TransportContract(new ContractCluster(shared.Cluster))
{
    internal override ITransport Transport { get; } = new SseTransport();
}

/// <summary>By WebSocket: long-polling needs sticky sessions, and is as it is on one gateway.</summary>
[Collection(CalmClusterTests.Name)]
public sealed class SocketIoClusterContractTests(CalmCluster shared, NodeClients node)
    : TransportContract(new ContractCluster(shared.Cluster)), IClassFixture<NodeClients>
{
    internal override ITransport Transport { get; } = new SocketIoTransport(node, "websocket");
}

sealed class ContractCluster(RealtimeCluster cluster) : IContractHost
{
    int _next;

    public Uri NextAddress() => cluster.Addresses[_next++ % cluster.Addresses.Count];

    public async Task<string> TokenAsync(string user, string query = "")
    {
        using var rest = new RestApi(cluster.Addresses[0]);
        return await rest.TokenAsync(user, query);
    }

    public async Task<HttpClient> RestAsync(string user, string query = "")
    {
        using var rest = new RestApi(NextAddress());
        return await rest.ClientAsync(user, query);
    }

    /// <summary>Where an event stream without a cursor begins: the last part of its first id.</summary>
    public async Task<long> DeliveredAsync(string user)
    {
        using var http = new HttpClient { BaseAddress = NextAddress() };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", await TokenAsync(user));
        var events = await http.GetStreamAsync(new Uri("/events?user=1", UriKind.Relative), TestContext.Current.CancellationToken);
        using var stream = new StreamReader(events);
        while (true)
        {
            string line = (await stream.ReadLineAsync(TestContext.Current.CancellationToken))!;
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                return long.Parse(line.Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture);
            }
        }
    }
}
