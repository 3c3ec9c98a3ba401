using System.Diagnostics;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Events;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Requests;

/// <summary>Requests across two gateways, and what becomes of them when something dies.</summary>
[Collection(ClusterTests.Name)]
public sealed class UserRequestClusterTests(SharedCluster shared, NodeClients node) : IClassFixture<NodeClients>
{
    readonly RealtimeCluster _cluster = shared.Cluster;
    readonly string _bob = "bob-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Clients_of_two_gateways_and_transports_ask_each_other()
    {
        await using var ann = await ConnectAsync(0, "ann-" + _bob);
        await using var bob = await SocketAsync(1, _bob);
        await bob.AnswerAsync("request", "from the other gateway");
        object? answer = await ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", "hello", Token);
        Assert.Equal("\"from the other gateway\"", SignalRTransport.ToJson(answer).GetRawText());
        Assert.Equal($$"""{"from":"ann-{{_bob}}","event":"call","data":"hello"}""", (await bob.NextAsync("request"))[0].GetRawText());

        var asking = bob.IsOkAsync("user:request", new { userId = "ann-" + _bob, @event = "back" });
        await ann.AnswerAsync(await ann.NextAsync(asking), 7);
        Assert.Equal(7, (await asking).GetProperty("data").GetInt32());
    }

    [Fact]
    public async Task The_first_answer_of_all_gateways_wins()
    {
        await using var ann = await ConnectAsync(1, "ann");
        await using var phone = await ConnectAsync(0, _bob);
        await using var laptop = await ConnectAsync(1, _bob);
        await using var tablet = await SocketAsync(1, _bob);
        var asking = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", Token);
        var (onPhone, onLaptop) = (await phone.NextAsync(asking), await laptop.NextAsync(asking));
        Assert.True(await laptop.RefuseAsync(onLaptop, "no"));
        await tablet.NextAsync("request");
        Assert.True(await phone.AnswerAsync(onPhone, "phone"));
        Assert.Equal("\"phone\"", SignalRTransport.ToJson(await asking).GetRawText());

        // All refuse, each at its gateway.
        await tablet.DisposeAsync();
        using var rest = await RestAsync(0);
        var refusing = PostAsync(rest, 60);
        await phone.RefuseAsync(await phone.NextAsync(refusing), "Not now.");
        await laptop.RefuseAsync(await laptop.NextAsync(refusing), "Not now.");
        Assert.Equal(new(null, "refused", "Not now."), await refusing);
    }

    [Fact]
    public async Task Who_was_at_a_gateway_that_has_died_is_offline_once_its_lease_has_ended()
    {
        var bob = await ConnectAsync(0, _bob);
        using var rest = await RestAsync(1);
        var asking = PostAsync(rest, 60);
        await bob.NextAsync(asking);
        long start = Stopwatch.GetTimestamp();
        await _cluster.Gateways[0].KillAsync();
        Assert.Equal("offline", (await asking).Code);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        await bob.DisposeAsync();
        await _cluster.Gateways[0].StartAsync();
    }

    [Fact]
    public async Task A_request_whose_silo_dies_is_unavailable_long_before_its_time_is_over()
    {
        const int users = 6;
        using var rest = await RestAsync(0);
        var asked = new List<Asked>();
        var asking = new List<Task<Outcome>>();
        for (int i = 0; i < users; i++)
        {
            asked.Add(await ConnectAsync(i % 2, $"{_bob}-{i}"));
            asking.Add(PostAsync(rest, 60, $"{_bob}-{i}"));
            await asked[i].NextAsync(asking[i]);
        }

        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(_cluster.Silos.Select(s => s.KillAsync()));
        var starting = Task.WhenAll(_cluster.Silos.Select(s => s.StartAsync()));
        Assert.All(await Task.WhenAll(asking), o => Assert.Equal("unavailable", o.Code));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        await starting;

        // And then they can be asked again, once the gateways have declared themselves to the new silos.
        await asked[0].DisposeAsync();
        await using var socket = await SocketAsync(1, $"{_bob}-0");
        await socket.AnswerAsync("request", "here");
        await Eventually.True("bob answers", async () => (await PostAsync(rest, 5, $"{_bob}-0")).Result is { } result && result.GetString() == "here");
        foreach (var each in asked)
        {
            await each.DisposeAsync();
        }
    }

    async Task<Outcome> PostAsync(HttpClient rest, int seconds, string? user = null)
    {
        using var answer = await rest.PostAsync(new Uri($"/api/users/{user ?? _bob}/requests/call?timeout={seconds}", UriKind.Relative), null, Token);
        return await Caller.ReadAsync(answer);
    }

    async Task<HttpClient> RestAsync(int gateway)
    {
        using var api = new RestApi(_cluster.Addresses[gateway]);
        return await api.ClientAsync("rest");
    }

    async Task<Asked> ConnectAsync(int gateway, string user)
    {
        using var api = new RestApi(_cluster.Addresses[gateway]);
        return await Asked.ConnectAsync(_cluster.Addresses[gateway], await api.TokenAsync(user));
    }

    async Task<NodeSocket> SocketAsync(int gateway, string user)
    {
        using var api = new RestApi(_cluster.Addresses[gateway]);

        // After the death of the silos it may be refused for a while.
        return await node.ConnectAsync(new() { Server = _cluster.Addresses[gateway], Token = await api.TokenAsync(user), Reconnection = true }).CanAnswerAsync();
    }
}
