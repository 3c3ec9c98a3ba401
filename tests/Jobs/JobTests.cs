using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Jobs;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>How clients of all transports start jobs, and what they are refused.</summary>
public sealed class JobTests(JobHost host, NodeClients node) : IClassFixture<JobHost>, IClassFixture<NodeClients>
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_transport_starts_a_job_and_is_told_where_to_watch_it()
    {
        string token = await host.Host.TokenAsync("ann");
        using var rest = await RestAsync("ann");
        await using var hub = new SignalRTransport(messagePack: false).Build(host.Address, token);
        await using var packed = new SignalRTransport(messagePack: true).Build(host.Address, token);
        await hub.StartAsync(Token);
        await packed.StartAsync(Token);
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = token, Transports = ["websocket"] });

        foreach (var started in new[]
        {
            await rest.StartAsync("echo", new { n = 1 }),
            await hub.InvokeAsync<JsonElement>("StartJob", "echo", new { n = 1 }, Token),
            await hub.InvokeAsync<JsonElement>("Request", "echo", new { n = 1 }, Token),
            SignalRTransport.ToJson(await packed.InvokeAsync<object?>("StartJob", "echo", new { n = 1 }, Token)),
            SignalRTransport.ToJson(await packed.InvokeAsync<object?>("Request", "echo", new { n = 1 }, Token)),
            (await socket.IsOkAsync("job:start", new { name = "echo", data = new { n = 1 } })).GetProperty("job"),
            (await socket.IsOkAsync("job:start", "echo", new { n = 1 })).GetProperty("job"),
            (await socket.EmitAsync("request:echo", new { n = 1 })).GetProperty("result"),
        })
        {
            string id = Id(started);
            Assert.Equal(JobId.Length, id.Length);
            Assert.Equal(
                ("echo", "job:" + id, $"/jobs/{id}/events", "running"),
                (started.GetProperty("name").GetString(), started.GetProperty("room").GetString(), started.GetProperty("events").GetString(), started.GetProperty("status").GetString()));
            Assert.Equal([("complete", """{"n":1}""")], (await JobStream.AllAsync(host.Address, id, token)).Select(e => e.What));
            foreach (var job in new[]
            {
                await rest.GetAsync(id),
                await hub.InvokeAsync<JsonElement>("Job", id, Token),
                SignalRTransport.ToJson(await packed.InvokeAsync<object?>("Job", id, Token)),
                (await socket.IsOkAsync("job", id)).GetProperty("job"),
            })
            {
                Assert.Equal(("completed", "ann"), (job.GetProperty("status").GetString(), job.GetProperty("startedBy").GetString()));
                Assert.Equal("""{"n":1}""", job.GetProperty("result").GetRawText());
                Assert.True(job.GetProperty("endedAt").GetDateTime() >= job.GetProperty("startedAt").GetDateTime());
            }
        }
    }

    [Fact]
    public async Task A_handler_without_data_is_called_without_and_knows_its_job()
    {
        using var rest = await RestAsync("ann");
        var ended = await rest.EndedAsync(Id(await rest.StartAsync("optional")));
        Assert.Equal("""{"input":null,"startedBy":"ann","name":"optional","attempt":1}""", ended.GetProperty("result").GetRawText());
    }

    [Fact]
    public async Task A_second_start_under_the_same_key_is_the_first_ones_job()
    {
        string key = JobClient.NewKey();
        using var ann = await RestAsync("ann");
        using var bob = await RestAsync("bob");
        var starts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ann.StartAsync("held", new { key }, idempotencyKey: "once")));
        string id = Id(starts[0]);
        Assert.All(starts, s => Assert.Equal(id, Id(s)));
        Assert.NotEqual(id, Id(await bob.StartAsync("held", new { key }, idempotencyKey: "once")));
        Assert.NotEqual(id, Id(await ann.StartAsync("held", new { key }, idempotencyKey: "twice")));

        host.Open(key);
        await ann.EndedAsync(id);
        var again = await ann.StartAsync("held", new { key }, idempotencyKey: "once");
        Assert.Equal((id, "completed"), (Id(again), again.GetProperty("status").GetString()));
        await Eventually.True("all three have ended", () => host.CallsOf(key) == 3, () => host.CallsOf(key));
    }

    [Fact]
    public async Task Unknown_jobs_and_ids_are_refused_alike()
    {
        string token = await host.Host.TokenAsync("ann");
        using var rest = await RestAsync("ann");
        await using var hub = new SignalRTransport(messagePack: false).Build(host.Address, token);
        await hub.StartAsync(Token);
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = token, Transports = ["websocket"] });

        IsError(HttpStatusCode.NotFound, "unknown_job", await rest.TryStartAsync("nothing"));
        Assert.Equal("unknown_job", await CodeAsync(hub, "StartJob", "nothing"));
        Assert.Equal("unknown_event", await CodeAsync(hub, "Request", "nothing"));
        Assert.Equal("unknown_job", (await socket.EmitAsync("job:start", "nothing")).ErrorCode());
        Assert.False((await socket.EmitAsync("request:nothing")).GetProperty("success").GetBoolean());
        Assert.Equal("unknown_event", (await socket.EmitAsync("echo", 1)).ErrorCode());

        string id = JobId.New();
        foreach (string unknown in new[] { id, "nonsense" })
        {
            IsError(HttpStatusCode.NotFound, "unknown_job", await rest.CancelAsync(unknown));
            Assert.Equal("unknown_job", await CodeAsync(hub, "Job", unknown));
            Assert.Equal("unknown_job", await CodeAsync(hub, "Join", "job:" + unknown));
            Assert.Equal("unknown_job", await CodeAsync(hub, "History", "job:" + unknown));
            Assert.Equal("unknown_job", (await socket.EmitAsync("join:room", "job:" + unknown)).ErrorCode());
            var (http, response) = await JobStream.AskAsync(host.Address, unknown);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
            response.Dispose();
            http.Dispose();
        }
    }

    [Fact]
    public async Task Input_that_the_handler_cannot_read_is_refused_with_the_place_before_anything_runs()
    {
        using var rest = await RestAsync("ann");
        string key = JobClient.NewKey();
        var detail = IsError(HttpStatusCode.BadRequest, "invalid_argument", await rest.TryStartAsync("sized", new { status = "many", checkpoint = 1 }));
        Assert.EndsWith("at '$.status'.", detail, StringComparison.Ordinal);
        IsError(HttpStatusCode.BadRequest, "invalid_argument", await rest.TryStartAsync("held", new { notKey = key }));
        detail = IsError(HttpStatusCode.BadRequest, "invalid_argument", await rest.TryStartAsync("held"));
        Assert.Equal("The job 'held' needs input.", detail);
        IsError(HttpStatusCode.BadRequest, "invalid_argument", await rest.TryStartAsync("echo", 1, idempotencyKey: new string('k', 129)));
        IsError(HttpStatusCode.RequestEntityTooLarge, "payload_too_large", await rest.TryStartAsync("echo", new string('x', 2100)));

        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = await host.Host.TokenAsync("ann"), Transports = ["websocket"] });
        Assert.Equal("invalid_argument", (await socket.EmitAsync("job:start", "echo", NodeSocket.Bytes([1, 2]))).ErrorCode());
        Assert.Equal("invalid_argument", (await socket.EmitAsync("job:start", new { name = "echo", cancelWhenUnwatched = "yes" })).ErrorCode());
        Assert.Equal(0, host.CallsOf(key));
    }

    [Fact]
    public async Task A_token_says_which_jobs_may_be_started()
    {
        using var rest = new JobClient(await host.Host.RestAsync("ann", "&jobs=ec*&jobs=optional"));
        await rest.StartAsync("echo", 1);
        await rest.StartAsync("optional");
        IsError(HttpStatusCode.Forbidden, "not_allowed", await rest.TryStartAsync("throws"));
        using var none = new JobClient(await host.Host.RestAsync("ann", "&jobs="));
        IsError(HttpStatusCode.Forbidden, "not_allowed", await none.TryStartAsync("echo", 1));
    }

    [Fact]
    public async Task A_user_has_no_more_jobs_at_a_time_than_are_allowed()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("busy");
        var ids = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            ids.Add(Id(await rest.StartAsync("held", new { key })));
        }

        IsError(HttpStatusCode.TooManyRequests, "overloaded", await rest.TryStartAsync("held", new { key }));
        host.Open(key);
        await Task.WhenAll(ids.Select(id => rest.EndedAsync(id)));
        await rest.StartAsync("echo", 1);
    }

    [Fact]
    public async Task Only_the_server_publishes_to_a_jobs_room_which_whoever_knows_it_may_join()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("ann");
        string room = (await rest.StartAsync("held", new { key })).GetProperty("room").GetString()!;

        // Of rooms the token allows none at all, or all.
        foreach (string query in new[] { "&join=&publish=", "&role=admin" })
        {
            await using var hub = new SignalRTransport(messagePack: false).Build(host.Address, await host.Host.TokenAsync("bob", query));
            await hub.StartAsync(Token);
            await hub.InvokeAsync<JsonElement>("Join", room, Token);
            Assert.Equal("not_allowed", await CodeAsync(hub, "Send", room, "complete", new { forged = true }));
        }

        using var http = await host.Host.RestAsync("bob");
        using var body = new StringContent("""{"event": "complete", "data": 1}""", System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri($"/api/rooms/{room}/messages", UriKind.Relative), body, Token);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        host.Open(key);
    }

    async Task<JobClient> RestAsync(string user) => new(await host.Host.RestAsync(user));

    static string Id(JsonElement job) => job.GetProperty("id").GetString()!;

    /// <summary>What the error says.</summary>
    static string IsError(HttpStatusCode status, string code, (HttpStatusCode Status, JsonElement Body) answer)
    {
        Assert.True(answer.Status == status, $"{answer.Status} {answer.Body}");
        Assert.Equal(code, answer.Body.GetProperty("code").GetString());
        return answer.Body.GetProperty("detail").GetString()!;
    }

    /// <summary>The code of the error that a call ends with.</summary>
    static async Task<string> CodeAsync(HubConnection hub, string method, params object?[] arguments)
    {
        var exception = await Assert.ThrowsAsync<HubException>(() => hub.InvokeCoreAsync<JsonElement>(method, arguments, Token));
        return exception.Message[(exception.Message.IndexOf("HubException: ", StringComparison.Ordinal) + 14)..].Split(':')[0];
    }
}
