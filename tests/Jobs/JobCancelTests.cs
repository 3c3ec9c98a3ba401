using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>How jobs end before their time.</summary>
public sealed class JobCancelTests(JobHost host, NodeClients node) : IClassFixture<JobHost>, IClassFixture<NodeClients>
{
    const string Cancelled = """{"code":"cancelled","message":"The job was cancelled."}""";
    const string Unwatched = """{"code":"cancelled","message":"The job was cancelled because nobody watched it."}""";

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Its_owner_and_an_administrator_may_cancel_a_job_and_nobody_else()
    {
        using var ann = await RestAsync("ann");
        using var bob = await RestAsync("bob");
        using var admin = new JobClient(await host.Host.RestAsync("root", "&role=admin"));
        foreach (var who in new[] { ann, admin })
        {
            string key = JobClient.NewKey(), id = Id(await ann.StartAsync("held", new { key }));
            Assert.Equal(HttpStatusCode.Forbidden, (await bob.CancelAsync(id)).Status);
            Assert.True((await who.CancelAsync(id)).Body.GetProperty("cancelled").GetBoolean());
            Assert.Equal(("error", Cancelled), (await JobStream.AllAsync(host.Address, id))[^1].What);
            Assert.Equal("cancelled", host.EndOf(key));
            Assert.Equal("cancelled", (await ann.GetAsync(id)).GetProperty("status").GetString());
            Assert.False((await who.CancelAsync(id)).Body.GetProperty("cancelled").GetBoolean());
        }
    }

    [Fact]
    public async Task Every_transport_cancels()
    {
        string token = await host.Host.TokenAsync("ann");
        using var rest = await RestAsync("ann");
        await using var hub = new SignalRTransport(messagePack: true).Build(host.Address, token);
        await hub.StartAsync(Token);
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = token, Transports = ["websocket"] });

        string byHub = Id(await rest.StartAsync("held", new { key = JobClient.NewKey() })), bySocket = Id(await rest.StartAsync("held", new { key = JobClient.NewKey() }));
        Assert.True(SignalRTransport.ToJson(await hub.InvokeAsync<object?>("CancelJob", byHub, Token)).GetProperty("cancelled").GetBoolean());
        Assert.True((await socket.IsOkAsync("job:cancel", bySocket)).GetProperty("cancelled").GetBoolean());
        Assert.Equal("cancelled", (await rest.EndedAsync(byHub)).GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("cancelled", (await rest.EndedAsync(bySocket)).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_handler_may_tell_how_it_cleans_up()
    {
        using var rest = await RestAsync("ann");
        string id = Id(await rest.StartAsync("cleaning", new { key = JobClient.NewKey() }));
        await rest.CancelAsync(id);
        Assert.Equal([("message", """{"status":"cleaned up"}"""), ("error", Cancelled)], (await JobStream.AllAsync(host.Address, id)).Select(e => e.What));
    }

    [Fact]
    public async Task A_handler_that_does_not_listen_is_left_alone_and_has_no_effect_any_more()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("ann");
        string id = Id(await rest.StartAsync("deaf", new { key }));
        await using var stream = await JobStream.OpenAsync(host.Address, id);
        Assert.Equal(("message", """{"status":"waiting"}"""), (await stream.NextAsync())!.What);
        await rest.CancelAsync(id);
        Assert.Equal([("error", Cancelled)], (await stream.RestAsync()).Select(e => e.What));

        host.Open(key);
        await Eventually.True("the handler has ended", () => host.EndOf(key) is not null);
        Assert.Equal("cancelled", host.EndOf(key));
        Assert.Equal(2, (await JobStream.AllAsync(host.Address, id)).Count);
        Assert.Equal("cancelled", (await rest.GetAsync(id)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task It_is_cancelled_when_the_last_watcher_has_left_and_not_when_one_reconnects()
    {
        string key = JobClient.NewKey();
        using var rest = await RestAsync("ann");
        string id = Id(await rest.StartAsync("held", new { key }, "?cancelWhenUnwatched=true"));
        string? cursor = null;
        for (int visit = 0; visit < 3; visit++)
        {
            // A watcher that is cut off again and again, as an EventSource on a bad line.
            await using var stream = await JobStream.OpenAsync(host.Address, id, cursor);
            cursor ??= (await stream.NextAsync())!.Cursor;
            await Pause.ForAsync(TimeSpan.FromSeconds(1.5), Token);
            Assert.Equal("running", (await rest.GetAsync(id)).GetProperty("status").GetString());
        }

        var ended = await rest.EndedAsync(id);
        Assert.Equal(Unwatched, JsonSerializer.Serialize(ended.GetProperty("error")));
        Assert.Equal("cancelled", host.EndOf(key));
        await using var last = await JobStream.OpenAsync(host.Address, id, cursor);
        Assert.Equal([("error", Unwatched)], (await last.RestAsync()).Select(e => e.What));
    }

    [Fact]
    public async Task A_job_that_nobody_ever_watches_is_cancelled_where_that_was_asked_for()
    {
        string token = await host.Host.TokenAsync("ann");
        using var rest = await RestAsync("ann");
        await using var hub = new SignalRTransport(messagePack: false).Build(host.Address, token);
        await hub.StartAsync(Token);
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = token, Transports = ["websocket"] });
        string kept = Id(await rest.StartAsync("held", new { key = JobClient.NewKey() }));
        string[] unwatched =
        [
            Id(await hub.InvokeAsync<JsonElement>("StartJob", "held", new { key = JobClient.NewKey() }, new { cancelWhenUnwatched = true }, Token)),
            Id((await socket.IsOkAsync("job:start", new { name = "held", data = new { key = JobClient.NewKey() }, cancelWhenUnwatched = true })).GetProperty("job")),
        ];
        foreach (string id in unwatched)
        {
            Assert.Equal(Unwatched, JsonSerializer.Serialize((await rest.EndedAsync(id)).GetProperty("error")));
        }

        Assert.Equal("running", (await rest.GetAsync(kept)).GetProperty("status").GetString());
        await rest.CancelAsync(kept);
    }

    async Task<JobClient> RestAsync(string user) => new(await host.Host.RestAsync(user));

    static string Id(JsonElement job) => job.GetProperty("id").GetString()!;
}
