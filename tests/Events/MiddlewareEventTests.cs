using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.Events;

/// <summary>A server whose middleware does what the query of a connection asks for, and keeps a trace of each user's connections.</summary>
public sealed class MiddlewareHost : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    internal CollectedLogs Logs { get; } = new();

    /// <summary>What happened to a user's connections, in order.</summary>
    internal ConcurrentDictionary<string, ConcurrentQueue<string>> Traces { get; } = new();

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        events =>
        {
            events.Use(async (context, next) =>
            {
                Trace(context, "first");
                await next(context);
                Trace(context, "first again");
            });
            events.Use(async (context, next) =>
            {
                Trace(context, "second");
                switch (context.Http.Request.Query["do"].ToArray())
                {
                    case ["reject"]:
                        ConnectingContext.Reject("Closed on Sundays.", new { opens = "Monday" });
                        break;
                    case ["forget"]:
                        return;
                    case ["throw", { } text]:
                        throw new InvalidOperationException(text);
                    case ["sign"]:
                        context.SignIn("somebody");
                        break;
                    case ["claim"]:
                        context.AddClaim("tenant", $"{context.Transport} of {context.User!.UserId}");
                        break;
                }

                await next(context);
            });
            events.Default.Use((context, next) =>
            {
                Trace(context, "default");
                return next(context);
            });
            events.Default.OnConnected((context, _) =>
            {
                Trace(context.UserId, $"connected {string.Join(',', context.Claims.Select(c => $"{c.Type}={c.Value}"))}");
                return Task.CompletedTask;
            });
            events.Default.OnDisconnected(context =>
            {
                Trace(context.UserId, "disconnected");
                return Task.CompletedTask;
            });
            events.Default.On<string, string>("claims", (context, _) => Task.FromResult(string.Join(',', context.Claims.Select(c => $"{c.Type}={c.Value}"))));
            events.Namespace("/staff")
                .Use((context, next) => context.User!.UserId.StartsWith("staff", StringComparison.Ordinal)
                    ? next(context)
                    : throw new ConnectionRejectedException("For staff only."))
                .On<string, string>("enter", (_, _) => Task.FromResult("welcome"));
        },
        Logs);

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    internal string[] TraceOf(string user) => Traces.TryGetValue(user, out var trace) ? [.. trace] : [];

    void Trace(ConnectingContext context, string what) => Trace(context.User!.UserId, what);

    void Trace(string user, string what) => Traces.GetOrAdd(user, _ => new()).Enqueue(what);
}

/// <summary>An application's middleware, for every transport but Socket.IO.</summary>
public sealed class MiddlewareEventTests(MiddlewareHost shared) : IClassFixture<MiddlewareHost>
{
    static readonly string[] s_transports = ["websockets", "longpolling", "sse", "rest"];

    readonly EmbeddedHost _host = shared.Host;
    readonly string _user = "user-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Transports => [.. s_transports];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Middleware_runs_in_order_around_what_follows_and_before_the_connection_is_announced(string transport)
    {
        string text = await ConnectAsync(transport, "");
        Assert.Equal("accepted", text);
        string[] expected = ["first", "second", "default", "first again", .. transport == "rest" ? (string[])[] : ["connected ", "disconnected"]];
        await Eventually.True("the trace is complete", () => shared.TraceOf(_user).Length >= expected.Length, () => string.Join('|', shared.TraceOf(_user)));
        Assert.Equal(expected, shared.TraceOf(_user));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_rejected_client_learns_why_and_is_not_announced(string transport)
    {
        string text = await ConnectAsync(transport, "do=reject");
        Assert.Contains(
            transport is "sse" or "rest" ? "403 rejected: Closed on Sundays. {\"opens\":\"Monday\"}" : "rejected: Closed on Sundays. {\"opens\":\"Monday\"}",
            text,
            StringComparison.Ordinal);
        Assert.Equal(["first", "second"], shared.TraceOf(_user));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_connection_that_middleware_does_not_pass_on_is_rejected(string transport) =>
        Assert.Contains("rejected: The connection was refused.", await ConnectAsync(transport, "do=forget"), StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Middleware_that_throws_is_logged_once_and_the_client_learns_nothing(string transport)
    {
        string secret = "secret-" + Guid.NewGuid().ToString("n");
        string text = await ConnectAsync(transport, $"do=throw&do={secret}");
        Assert.Contains(transport is "sse" or "rest" ? "500 internal: Something went wrong" : "failed: Something went wrong", text, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        Assert.StartsWith(
            "Error OrleansRealtime.Gateway.Events.EventDispatcher: A middleware failed",
            Assert.Single(shared.Logs.Mentioning($"InvalidOperationException: {secret}")),
            StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Who_has_a_token_is_signed_in_by_that_alone(string transport)
    {
        Assert.Contains("Something went wrong", await ConnectAsync(transport, "do=sign"), StringComparison.Ordinal);
        Assert.NotEmpty(shared.Logs.Mentioning($"A connection by {(transport is "sse" or "rest" ? transport : "signalr")} is signed in by its token"));
    }

    [Fact]
    public async Task Claims_reach_the_handlers()
    {
        await using var hub = Build("websockets", "do=claim", await _host.TokenAsync(_user));
        await hub.StartAsync(Token);
        Assert.Equal($"tenant=signalr of {_user}", await hub.InvokeAsync<string>("Request", "claims", "?", Token));
        Assert.Equal($"connected tenant=signalr of {_user}", shared.TraceOf(_user)[^1]);

        using var http = await _host.RestAsync(_user);
        using var answer = await http.PostAsync(new Uri("/api/requests/claims?do=claim", UriKind.Relative), JsonBody("?"), Token);
        Assert.Equal($"tenant=rest of {_user}", (await Caller.ReadAsync(answer)).Result?.GetString());

        Assert.Equal("accepted", await ConnectAsync("sse", "do=claim"));
        Assert.Contains($"connected tenant=sse of {_user}", shared.TraceOf(_user));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_namespaces_middleware_sees_the_requests_to_its_handlers(Way way)
    {
        var outcome = await new Caller(_host, way, _user).CallAsync("enter", "?", "/staff");
        Assert.Equal(("rejected", "For staff only."), (outcome.Code, outcome.Text));
        outcome = await new Caller(_host, way, "staff-" + _user).CallAsync("enter", "?", "/staff");
        Assert.Equal("welcome", outcome.Result?.GetString());
    }

    public static TheoryData<Way> Ways => Caller.Ways;

    static StringContent JsonBody(string text) => new(JsonSerializer.Serialize(text), System.Text.Encoding.UTF8, "application/json");

    HubConnection Build(string transport, string query, string token) => transport == "websockets"
        ? new SignalRTransport(messagePack: false).Build(new Uri(_host.Address, $"?{query}"), token)
        : SignalRTransport.BuildLongPolling(new Uri(_host.Address, $"?{query}"), token);

    /// <summary>Connects and disconnects again. Says "accepted", or why the client was not.</summary>
    async Task<string> ConnectAsync(string transport, string query)
    {
        if (transport is "sse" or "rest")
        {
            using var http = await _host.RestAsync(_user);
            using var answer = await http.GetAsync(
                new Uri($"{(transport == "sse" ? "/events" : "/api/rooms/general/messages")}?{query}", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
            if (answer.StatusCode == HttpStatusCode.OK)
            {
                return "accepted";
            }

            var problem = JsonElement.Parse(await answer.Content.ReadAsStringAsync(Token));
            string data = problem.TryGetProperty("data", out var given) ? " " + given.GetRawText() : "";
            return $"{(int)answer.StatusCode} {problem.GetProperty("code")}: {problem.GetProperty("detail")}{data}";
        }

        await using var hub = Build(transport, query, await _host.TokenAsync(_user));
        var closing = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        hub.On<JsonElement>("closing", body => closing.TrySetResult(body));
        var closed = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        hub.Closed += exception =>
        {
            closed.TrySetResult(exception);
            return Task.CompletedTask;
        };
        await hub.StartAsync(Token);
        try
        {
            // Answered after the connection was accepted.
            await hub.InvokeAsync<object>("Inbox", Token);
            return "accepted";
        }
        catch (Exception exception) when (exception is not OperationCanceledException { CancellationToken.IsCancellationRequested: true })
        {
            // SignalR's own transports have no word for an end after which the client may come back; the event is the same everywhere.
            var why = await closing.Task.WaitAsync(TimeSpan.FromSeconds(10), Token);
            return (await closed.Task.WaitAsync(TimeSpan.FromSeconds(10), Token))?.Message ?? $"{why.GetProperty("reason")}: {why.GetProperty("message")}";
        }
    }
}
