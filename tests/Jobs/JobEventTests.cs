using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>What those who watch a job are told, by whichever transport.</summary>
public sealed class JobEventTests(JobHost host, NodeClients node) : IClassFixture<JobHost>, IClassFixture<NodeClients>
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    static readonly (string, string)[] s_held =
    [
        ("status", """{"status":"waiting","progress":0}"""),
        ("status", """{"status":"going on","progress":50}"""),
        ("status", """{"status":"done","progress":100}"""),
    ];

    [Fact]
    public async Task Watchers_of_all_transports_see_the_same_in_the_same_order()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("ann");
        var started = await rest.StartAsync("held", new { key });
        var all = await WatchAsync(started, () => host.Open(key));
        (string, string)[] expected = [.. s_held, ("complete", $$"""{"key":"{{key}}"}""")];
        Assert.All(all, seen => Assert.Equal(expected, seen));
        Assert.Equal("""{"status":"done","progress":100}""", (await rest.GetAsync(Id(started))).GetProperty("progress").GetRawText());
    }

    [Theory]
    [InlineData("throws", "Something went wrong on the server.")]
    [InlineData("fails", "The moon is in the wrong place.")]
    public async Task A_job_that_fails_says_so_to_all_and_harms_no_other(string name, string message)
    {
        using var rest = await RestAsync("ann");
        string other = Id(await rest.StartAsync("echo", "unharmed"));
        var started = await rest.StartAsync(name);
        var all = await WatchAsync(started, () => { });
        Assert.All(all, seen => Assert.Equal([("error", $$"""{"code":"failed","message":"{{message}}"}""")], seen));
        var job = await rest.GetAsync(Id(started));
        Assert.Equal(("failed", message), (job.GetProperty("status").GetString(), job.GetProperty("error").GetProperty("message").GetString()));
        Assert.False(job.TryGetProperty("result", out _));
        Assert.Equal("completed", (await rest.EndedAsync(other)).GetProperty("status").GetString());
        Assert.Equal(name == "throws" ? 1 : 0, host.Logs.Mentioning(Id(started)).Count);
        Assert.All(host.Logs.Mentioning(Id(started)), line => Assert.Contains("a secret of the server", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_stream_that_was_cut_goes_on_after_its_last_event_and_ends_with_the_final_one()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("ann");
        string id = Id(await rest.StartAsync("held", new { key }));
        string cursor;
        await using (var first = await JobStream.OpenAsync(host.Address, id))
        {
            var waiting = await first.NextAsync();
            Assert.Equal(("message", s_held[0].Item2), waiting!.What);
            cursor = waiting.Cursor!;
        }

        host.Open(key);
        await rest.EndedAsync(id);
        await using var second = await JobStream.OpenAsync(host.Address, id, cursor);
        var rest2 = await second.RestAsync();
        Assert.Equal([("message", s_held[1].Item2), ("message", s_held[2].Item2), ("complete", $$"""{"key":"{{key}}"}""")], rest2.Select(e => e.What));
        Assert.Equal(["2", "3", "4"], rest2.Select(e => e.Cursor!.Split(':')[1]));

        // From the first event where the client has none; nothing where it has all; and a cursor of something else is none.
        Assert.Equal(4, (await JobStream.AllAsync(host.Address, id)).Count);
        await AnswersAsync(id, rest2[^1].Cursor, HttpStatusCode.NoContent);
        await AnswersAsync(id, "nonsense", HttpStatusCode.BadRequest);
        await AnswersAsync(Id(await rest.StartAsync("echo", 1)), cursor, HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task An_old_token_is_refused_a_stream_and_none_is_a_guests()
    {
        using var rest = await RestAsync("ann");
        string id = Id(await rest.StartAsync("echo", 1));
        await AnswersAsync(id, null, HttpStatusCode.Unauthorized, token: "nonsense");
        Assert.Single(await JobStream.AllAsync(host.Address, id));

        // In the query, as an EventSource has it.
        using var http = new HttpClient { BaseAddress = host.Address };
        string token = await host.Host.TokenAsync("ann");
        string stream = await http.GetStringAsync(new Uri($"/jobs/{id}/events?access_token={token}", UriKind.Relative), Token);
        Assert.Contains("event: complete\ndata: 1\nid: ", stream, StringComparison.Ordinal);
        Assert.DoesNotContain("presence", stream, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_too_large_fails_the_job()
    {
        using var rest = await RestAsync("ann");
        foreach (var (name, input) in new[]
        {
            ("sized", new { status = 1001, checkpoint = 1 }),
            ("sized", new { status = 1, checkpoint = 1001 }),
            ("large", new { status = 1001, checkpoint = 1 }),
        })
        {
            Assert.Equal("failed", (await rest.EndedAsync(Id(await rest.StartAsync(name, input)))).GetProperty("status").GetString());
        }

        Assert.Equal("completed", (await rest.EndedAsync(Id(await rest.StartAsync("sized", new { status = 900, checkpoint = 900 })))).GetProperty("status").GetString());
    }

    /// <summary>Watches a job from its first event to its last, over each transport; what they see, without the names by which an EventSource knows it.</summary>
    async Task<IReadOnlyList<List<(string, string)>>> WatchAsync(JsonElement started, Action whenWatched)
    {
        string room = started.GetProperty("room").GetString()!, token = await host.Host.TokenAsync("bob");
        await using var stream = await JobStream.OpenAsync(host.Address, Id(started), token: token);
        await using var hub = new SignalRTransport(messagePack: false).Build(host.Address, token);
        var byHub = Watched(out var hubEnded);
        hub.On<JsonElement>("message", m => byHub.Add(m.GetProperty("event").GetString()!, m.GetProperty("data")));
        await hub.StartAsync(Token);
        string epoch = (await hub.InvokeAsync<JsonElement>("History", room, Token)).GetProperty("cursor").GetString()!.Split(':')[0];
        await hub.InvokeAsync<JsonElement>("Join", room, epoch + ":0", Token);

        var bySocket = Watched(out var socketEnded);
        await using var socket = await node.ConnectAsync(new()
        {
            Server = host.Address,
            Token = token,
            Transports = ["websocket"],
            Listener = (name, args) =>
            {
                if (name is "status" or "complete" or "error")
                {
                    Assert.Equal(room, args[1].GetProperty("roomId").GetString());
                    bySocket.Add(name, args[0]);
                }
            },
        });
        await socket.IsOkAsync("join:room", new { roomId = room, cursor = epoch + ":0" });
        whenWatched();
        var byStream = await stream.RestAsync();
        await hubEnded.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await socketEnded.WaitAsync(TimeSpan.FromSeconds(30), Token);
        return [[.. byStream.Select(e => (e.Name == "message" ? "status" : e.Name, e.Data))], byHub.Events, bySocket.Events];
    }

    static Watcher Watched(out Task ended)
    {
        var watcher = new Watcher();
        ended = watcher.Ended;
        return watcher;
    }

    async Task AnswersAsync(string id, string? lastEventId, HttpStatusCode status, string? token = null)
    {
        var (http, response) = await JobStream.AskAsync(host.Address, id, lastEventId, token);
        Assert.Equal(status, response.StatusCode);
        response.Dispose();
        http.Dispose();
    }

    async Task<JobClient> RestAsync(string user) => new(await host.Host.RestAsync(user));

    static string Id(JsonElement job) => job.GetProperty("id").GetString()!;

    sealed class Watcher
    {
        readonly ConcurrentQueue<(string, string)> _events = new();
        readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<(string, string)> Events => [.. _events];

        public Task Ended => _ended.Task;

        public void Add(string name, JsonElement data)
        {
            _events.Enqueue((name, JsonSerializer.Serialize(data)));
            if (name is "complete" or "error")
            {
                _ended.TrySetResult();
            }
        }
    }
}
