using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Tests.Cluster.Clients;
using OrleansRealtime.Tests.Cluster.Records;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>Redis dies, falls silent, or forgets everything.</summary>
[Collection(ClusterTests.Name)]
public sealed class RedisFailureTests(SharedCluster shared)
{
    /// <summary>A silent Redis is given up after 2 s, which is looked after once a second; the machine that runs the tests is small.</summary>
    static readonly TimeSpan Fast = TimeSpan.FromSeconds(6);

    /// <summary>Sooner than a channel repeats its head.</summary>
    static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(700);

    readonly RealtimeCluster _cluster = shared.Cluster;
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task A_killed_Redis_that_comes_back_with_its_file_has_lost_nothing_that_was_acknowledged()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 3, Members: 4, Visitors: 2));
        crowd.BeginLoad(TimeSpan.FromMilliseconds(100));
        await crowd.PublishAsync(5);
        _cluster.Redis.Kill();
        await Pause.ForAsync(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        await _cluster.Redis.RestartAsync();
        await crowd.PublishAsync(5);
        await crowd.EndLoadAsync();
        await crowd.HasLostNothingAsync();
        Assert.Equal(crowd.Members.Count, crowd.Members.Sum(m => m.Connections));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task While_Redis_is_silent_or_down_publishing_fails_fast_and_connections_stay(bool silent)
    {
        // The test before may have left a Redis that only some have found again.
        await EverybodyIsHealthyAsync();
        await using var signalR = await OpenAsync(SignalRChat.OpenAsync, 0);
        await using var sse = await OpenAsync(SseChat.OpenAsync, 1);
        using var rest = await RestAsync(0);
        await signalR.PublishAsync($"room:{_room}", "before", TestContext.Current.CancellationToken);
        if (silent)
        {
            _cluster.Redis.Pause();
        }
        else
        {
            _cluster.Redis.Kill();
        }

        try
        {
            await EverybodyIsRefusedAsync();
        }
        finally
        {
            if (silent)
            {
                _cluster.Redis.Resume();
            }
            else
            {
                await _cluster.Redis.RestartAsync();
            }
        }

        await Eventually.True("publishing works again", async () => (await PostAsync(rest, "after")).IsSuccessStatusCode);
        await signalR.PublishAsync($"room:{_room}", "after", TestContext.Current.CancellationToken);
        await EverybodyIsHealthyAsync();
        Assert.False(signalR.Ended.IsCompleted);
        Assert.False(sse.Ended.IsCompleted);

        async Task EverybodyIsRefusedAsync()
        {
            // Of a room that no silo has yet: its grain cannot be activated, and says why.
            using var history = await FailsFastAsync(() => rest.GetAsync(RestApi.MessagesOf($"room:{_room}-of-old"), TestContext.Current.CancellationToken));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, history.StatusCode);
            foreach (var connection in new[] { signalR, sse, signalR })
            {
                var refusal = await FailsFastAsync(() => Assert.ThrowsAsync<RefusedException>(
                    () => connection.PublishAsync($"room:{_room}", "meanwhile", TestContext.Current.CancellationToken)));
                Assert.StartsWith("unavailable: ", refusal.Message, StringComparison.Ordinal);
            }

            using var answer = await FailsFastAsync(() => PostAsync(rest, "meanwhile too"));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal("1", answer.Headers.GetValues("Retry-After").Single());
            var problem = await answer.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
            Assert.Equal("unavailable", problem.GetProperty("code").GetString());
            // Who comes now, and whose inbox nobody has asked for yet, is told the same.
            var refused = await Record.ExceptionAsync(() => OpenAsync(SignalRChat.OpenAsync, 0, "newcomer"));
            Assert.StartsWith("unavailable: ", Assert.IsType<RefusedException>(refused).Message, StringComparison.Ordinal);
            foreach (var node in _cluster.Nodes)
            {
                await Eventually.True($"{node.Address} is degraded, and ready", async () => await HealthAsync(node) == "degraded");
            }
        }
    }

    [Fact]
    public async Task A_Socket_IO_client_that_comes_while_Redis_is_down_tries_again_by_itself()
    {
        await using var node = new NodeClients();
        await node.InitializeAsync();
        using var rest = new RestApi(_cluster.Addresses[0]);
        string token = await rest.TokenAsync(_room);
        _cluster.Redis.Kill();
        NodeSocket socket;
        try
        {
            socket = await node.OpenAsync(new() { Server = _cluster.Addresses[0], Token = token, Reconnection = true });
            await socket.NextAsync("@reconnect_attempt");
        }
        finally
        {
            await _cluster.Redis.RestartAsync();
        }

        await socket.ConnectedAsync();
        await socket.DisposeAsync();
    }

    [Fact]
    public async Task When_Redis_comes_back_empty_clients_are_told_and_everything_works_again()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 2, Members: 4, Visitors: 4));
        await crowd.PublishAsync(5);
        await crowd.PublishDirectAsync();
        foreach (var visitor in crowd.Visitors)
        {
            await Eventually.True("the visitor has its message", () => visitor.Visit.Inbox!.Entries.Any(e => e.Kind == EntryKind.Received));
            await visitor.LeaveAsync();
        }

        await _cluster.RestartRedisEmptyAsync();
        var restarted = DateTime.UtcNow;
        await crowd.PublishAsync(3);
        await Task.WhenAll(crowd.Visitors.Select(v => v.ComeAsync()));
        await crowd.PublishDirectAsync();

        // Nodes that start now find the cluster again.
        await Task.WhenAll(_cluster.Silos[0].KillAsync(), _cluster.Gateways[0].KillAsync());
        await Task.WhenAll(_cluster.Silos[0].StartAsync(), _cluster.Gateways[0].StartAsync());
        await crowd.PublishAsync(3);

        // By the mailboxes, not only when the heads are compared.
        int inTurn = 0;
        await Eventually.True(
            "messages are delivered at once again",
            async () => (inTurn = await crowd.IsDeliveredAsync(AtOnce) ? inTurn + 1 : 0) == 10,
            () => $"{inTurn} in turn");
        var verdict = await crowd.CheckAsync();
        Assert.All(crowd.Clients.SelectMany(c => c.Visit.Records), r => Assert.Contains(r.Entries, e => e.Kind == EntryKind.Gap));

        // What was acknowledged before is gone with Redis. Nothing else may be wrong.
        bool WentWithRedis(Violation violation) => violation.Kind == ViolationKind.Lost && violation.At < restarted;
        var wrong = verdict with { Violations = [.. verdict.Violations.Where(v => !WentWithRedis(v))] };
        Assert.True(wrong.IsGood, wrong.Explain());
    }

    async Task EverybodyIsHealthyAsync()
    {
        foreach (var node in _cluster.Nodes)
        {
            await Eventually.True($"{node.Address} is healthy", async () => await HealthAsync(node) == "healthy");
        }
    }

    static async Task<T> FailsFastAsync<T>(Func<Task<T>> call)
    {
        long start = Stopwatch.GetTimestamp();
        var result = await call();
        Assert.True(Stopwatch.GetElapsedTime(start) < Fast, $"it took {Stopwatch.GetElapsedTime(start)}");
        return result;
    }

    static async Task<string?> HealthAsync(AppProcess node)
    {
        using var http = new HttpClient { BaseAddress = node.Address };
        try
        {
            using var answer = await http.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return (await answer.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken)).GetProperty("status").GetString();
        }
        catch (HttpRequestException exception)
        {
            throw new InvalidOperationException($"{node.Address} does not answer. Its output: {node.Output}{node.Errors}", exception);
        }
    }

    Task<HttpResponseMessage> PostAsync(HttpClient rest, string text) =>
        rest.PostAsJsonAsync($"/api/rooms/{_room}/messages", new { data = text, messageId = text }, TestContext.Current.CancellationToken);

    async Task<HttpClient> RestAsync(int gateway)
    {
        using var rest = new RestApi(_cluster.Addresses[gateway]);
        return await rest.ClientAsync("ann");
    }

    async Task<IChatConnection> OpenAsync(OpenConnection open, int gateway, string user = "user")
    {
        using var rest = new RestApi(_cluster.Addresses[gateway]);
        var visit = new Visit(user, await rest.TokenAsync(user), _room, inbox: false, new());
        return await open(_cluster.Addresses[gateway], visit, TestContext.Current.CancellationToken);
    }
}
