using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>A gateway dies, and its Socket.IO clients go on at another one, with nothing but what they have in hand.</summary>
[Collection(ClusterTests.Name)]
public sealed class SocketIoFailureTests(SharedCluster shared, NodeClients node) : IClassFixture<NodeClients>
{
    const int Clients = 5, Missed = 10, Live = 40;

    readonly RealtimeCluster _cluster = shared.Cluster;
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task Sockets_of_a_killed_gateway_recover_at_the_other_one()
    {
        using var api = new RestApi(_cluster.Addresses[1]);
        using var rest = await api.ClientAsync("publisher");
        var before = new List<(string Token, NodeSocketState State)>();
        for (int i = 0; i < Clients; i++)
        {
            string token = await api.TokenAsync($"user-{i}");
            var socket = await node.ConnectAsync(new() { Server = _cluster.Addresses[0], Token = token });
            Assert.True((await socket.EmitAsync("join:room", _room)).TryGetProperty("epoch", out _));
            await PublishAsync(rest, 1);
            Assert.Equal(i + 1, Offset(await socket.NextAsync("message:new")));
            before.Add((token, await socket.StateAsync()));
        }

        // One of them is still there when the gateway dies, on its own way back to it.
        string waiting = await api.TokenAsync("waiting");
        await using var patient = await node.ConnectAsync(new() { Server = _cluster.Addresses[0], Token = waiting, Reconnection = true });
        Assert.True((await patient.EmitAsync("join:room", _room)).TryGetProperty("epoch", out _));
        await _cluster.Gateways[0].KillAsync();
        await patient.NextAsync("@disconnect");
        await PublishAsync(rest, Missed);

        var publishing = PublishAsync(rest, Live);
        var after = await Task.WhenAll(before.Select(b => node.ConnectAsync(new()
        {
            Server = _cluster.Addresses[1],
            Token = b.Token,
            Pid = b.State.Pid,
            Offset = b.State.Offset,
        })));
        await publishing;
        for (int i = 0; i < Clients; i++)
        {
            var state = await after[i].StateAsync();
            Assert.True(state.Recovered);
            Assert.Equal(before[i].State.Id, state.Id);
            await BringsAsync(after[i], i + 2, Clients + Missed + Live);
            await after[i].DisposeAsync();
        }

        await _cluster.Gateways[0].StartAsync();
        Assert.True((await patient.ConnectedAsync()).Recovered);
        await BringsAsync(patient, Clients + 1, Clients + Missed + Live);
    }

    static long Offset(JsonElement[] args) => args[0].GetProperty("offset").GetInt64();

    /// <summary>The socket has been sent exactly the messages with these offsets, in order, and no more.</summary>
    async Task BringsAsync(NodeSocket socket, long first, long last)
    {
        for (long i = first; i <= last; i++)
        {
            Assert.Equal(i, Offset(await socket.NextAsync("message:new")));
        }

        Assert.Equal(_room, (await socket.EmitAsync("presence", _room)).GetProperty("room").GetString());
        Assert.Equal(0, socket.Count("message:new"));
    }

    async Task PublishAsync(HttpClient rest, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using var response = await rest.PostAsJsonAsync($"/api/rooms/{_room}/messages", new { data = "text" }, TestContext.Current.CancellationToken);
            response.EnsureSuccessStatusCode();
        }
    }
}
