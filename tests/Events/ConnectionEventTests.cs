using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.Events;

/// <summary>A server that hands out the connections it has.</summary>
public sealed class ConnectionHost : IAsyncLifetime
{
    readonly ConcurrentDictionary<string, TaskCompletionSource<ClientConnection>> _connections = new();

    internal EmbeddedHost Host { get; private set; } = null!;

    internal CollectedLogs Logs { get; } = new();

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        events => events.Default
            .OnConnected(async (context, _) =>
            {
                if (context.UserId.StartsWith("throws-", StringComparison.Ordinal))
                {
                    throw new InvalidOperationException("for " + context.UserId);
                }

                if (context.UserId.StartsWith("rejected-", StringComparison.Ordinal))
                {
                    throw new RealtimeException(RealtimeErrorCode.NotAllowed, "You are one too many.");
                }

                if (context.Connection!.Transport == "signalr")
                {
                    await context.JoinAsync("lobby-" + context.UserId);
                }

                Of(context.UserId).TrySetResult(context.Connection!);
            })
            .OnDisconnected(context =>
            {
                Of("gone " + context.UserId).TrySetResult(context.Connection!);
                return Task.CompletedTask;
            }),
        Logs);

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    internal Task<ClientConnection> OfAsync(string user) => Of(user).Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);

    TaskCompletionSource<ClientConnection> Of(string user) => _connections.GetOrAdd(user, _ => new());
}

/// <summary>What server code does with one connection.</summary>
public sealed class ConnectionEventTests(ConnectionHost shared) : IClassFixture<ConnectionHost>
{
    static readonly TimeSpan s_long = TimeSpan.FromSeconds(30);

    readonly EmbeddedHost _host = shared.Host;
    readonly string _user = "user-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Way.SignalRJson)]
    [InlineData(Way.SignalRMessagePack)]
    public async Task An_event_reaches_the_one_connection(Way way)
    {
        await using var hub = await BuildAsync(way);
        await using var other = await BuildAsync(way, "other-" + _user);
        var received = Received(hub, "event");
        var others = Received(other, "event");
        await hub.StartAsync(Token);
        await other.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        connection.Emit("price", new { amount = 3 }, "for Socket.IO alone");
        Assert.Equal("""{"event":"price","data":{"amount":3}}""", (await received.NextAsync()).GetRawText());
        connection.Emit("tick");
        Assert.Equal("""{"event":"tick"}""", (await received.NextAsync()).GetRawText());
        connection.Emit("picture", new { pixels = new byte[] { 7 } });
        Assert.Equal("""{"event":"picture","data":{"pixels":"Bw=="}}""", (await received.NextAsync()).GetRawText());
        (await shared.OfAsync("other-" + _user)).Emit("mine");
        Assert.Equal("""{"event":"mine"}""", (await others.NextAsync()).GetRawText());
    }

    [Fact]
    public async Task A_stream_gets_an_event_under_its_own_name()
    {
        using var http = await _host.RestAsync(_user);
        using var stream = await http.GetStreamAsync(new Uri("/events", UriKind.Relative), Token).ContinueWith(t => t.Result, Token);
        var connection = await shared.OfAsync(_user);
        connection.Emit("price", new { amount = 3 });
        connection.Emit("tick");
        await using var items = SseParser.Create(stream).EnumerateAsync(Token).GetAsyncEnumerator(Token);
        Assert.True(await items.MoveNextAsync());
        Assert.Equal(("price", """{"amount":3}"""), (items.Current.EventType, items.Current.Data));
        Assert.True(await items.MoveNextAsync());
        Assert.Equal(("tick", "null"), (items.Current.EventType, items.Current.Data));
        var refused = await Assert.ThrowsAsync<RealtimeException>(() => connection.RequestAsync("well?", null, Token));
        Assert.Equal((RealtimeErrorCode.InvalidArgument, "An SSE connection cannot answer."), (refused.Code, refused.Message));
    }

    [Theory]
    [InlineData("")]
    [InlineData("two\nlines")]
    public async Task An_event_needs_a_name(string name)
    {
        await using var hub = await BuildAsync(Way.SignalRJson);
        await hub.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        Assert.Throws<ArgumentException>(() => connection.Emit(name));
        await Assert.ThrowsAsync<ArgumentException>(() => connection.RequestAsync(name, null, Token));
    }

    [Theory]
    [InlineData(Way.SignalRJson)]
    [InlineData(Way.SignalRMessagePack)]
    public async Task A_client_answers_requests_in_any_order(Way way)
    {
        await using var hub = await BuildAsync(way);
        var asked = Received(hub, "requested");
        await hub.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        var first = connection.RequestAsync("add", s_long, Token, new { a = 1, b = 2 });
        var second = connection.RequestAsync("draw", s_long, Token);
        Assert.Equal("""{"id":1,"event":"add","data":{"a":1,"b":2}}""", (await asked.NextAsync()).GetRawText());
        Assert.Equal("""{"id":2,"event":"draw"}""", (await asked.NextAsync()).GetRawText());
        Assert.True(await hub.InvokeAsync<bool>("Answer", 2, new byte[] { 7 }, Token));
        Assert.Equal([7], (await second).Get<byte[]>(0));
        Assert.False(first.IsCompleted);
        Assert.True(await hub.InvokeAsync<bool>("Answer", 1, 3, Token));
        Assert.Equal(3, (await first).Get<int>(0));
        Assert.False(await hub.InvokeAsync<bool>("Answer", 1, 3, Token));
        Assert.False(await hub.InvokeAsync<bool>("Answer", 99, Token));
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_time_is_a_timeout_and_a_late_one_is_nobodys()
    {
        await using var hub = await BuildAsync(Way.SignalRJson);
        await hub.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        var failed = await Assert.ThrowsAsync<RealtimeException>(() => connection.RequestAsync("well?", TimeSpan.FromMilliseconds(20), Token));
        Assert.Equal(RealtimeErrorCode.Timeout, failed.Code);
        Assert.False(await hub.InvokeAsync<bool>("Answer", 1, "late", Token));
    }

    [Fact]
    public async Task A_request_can_be_cancelled()
    {
        await using var hub = await BuildAsync(Way.SignalRJson);
        await hub.StartAsync(Token);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var request = (await shared.OfAsync(_user)).RequestAsync("well?", s_long, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
    }

    [Fact]
    public async Task The_end_of_the_connection_ends_its_requests()
    {
        var hub = await BuildAsync(Way.SignalRJson);
        await hub.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        var request = connection.RequestAsync("well?", Timeout.InfiniteTimeSpan, Token);
        var aborted = connection.Aborted;
        await hub.DisposeAsync();
        var failed = await Assert.ThrowsAsync<RealtimeException>(() => request.WaitAsync(s_long, Token));
        Assert.Equal(RealtimeErrorCode.Unavailable, failed.Code);
        failed = await Assert.ThrowsAsync<RealtimeException>(() => connection.RequestAsync("still?", s_long, Token));
        Assert.Equal(RealtimeErrorCode.Unavailable, failed.Code);
        await Eventually.True("the connection's token is cancelled", () => aborted.IsCancellationRequested);
        Assert.True(connection.Aborted.IsCancellationRequested);
    }

    [Fact]
    public async Task A_client_that_never_answers_is_asked_a_thousand_times_at_most()
    {
        await using var hub = await BuildAsync(Way.SignalRJson);
        await hub.StartAsync(Token);
        var connection = await shared.OfAsync(_user);
        var requests = Enumerable.Range(0, PendingRequests.Limit).Select(_ => connection.RequestAsync("well?", s_long, Token)).ToList();
        var failed = await Assert.ThrowsAsync<RealtimeException>(() => connection.RequestAsync("well?", s_long, Token));
        Assert.Equal(RealtimeErrorCode.Overloaded, failed.Code);
        await hub.InvokeAsync<bool>("Answer", 1, 1, Token);
        await requests[0];
        requests[0] = connection.RequestAsync("well?", s_long, Token);
        Assert.All(requests, r => Assert.False(r.IsCompleted));
        await hub.StopAsync(Token);
        await Assert.ThrowsAsync<RealtimeException>(() => Task.WhenAll(requests));
    }

    [Theory]
    [InlineData("websockets")]
    [InlineData("longpolling")]
    public async Task A_connection_is_announced_and_so_is_its_end(string transport)
    {
        var hub = transport == "websockets"
            ? await BuildAsync(Way.SignalRJson)
            : SignalRTransport.BuildLongPolling(_host.Address, await _host.TokenAsync(_user));
        await hub.StartAsync(Token);

        // The handler has brought it into a room already.
        await hub.InvokeAsync<object>("Send", "lobby-" + _user, "message", "here", Token);
        var connection = await shared.OfAsync(_user);
        await hub.DisposeAsync();
        Assert.Same(connection, await shared.OfAsync("gone " + _user));
        Assert.Empty(connection.Subscriptions);
    }

    [Fact]
    public async Task A_stream_is_announced_and_so_is_its_end()
    {
        using var http = await _host.RestAsync(_user);
        using (await http.GetAsync(new Uri("/events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token))
        {
            await shared.OfAsync(_user);
        }

        await shared.OfAsync("gone " + _user);
    }

    [Theory]
    [InlineData("throws-", "failed", 1)]
    [InlineData("rejected-", "rejected", 0)]
    public async Task A_handler_of_connections_that_throws_closes_that_connection_alone(string who, string reason, int lines)
    {
        await using var good = await BuildAsync(Way.SignalRJson);
        await good.StartAsync(Token);
        await using var hub = await BuildAsync(Way.SignalRJson, who + _user);
        var closing = Received(hub, "closing");
        await hub.StartAsync(Token);
        Assert.Equal(reason, (await closing.NextAsync()).GetProperty("reason").GetString());

        using var http = await _host.RestAsync(who + _user);
        string stream = await http.GetStringAsync(new Uri("/events", UriKind.Relative), Token);
        Assert.Contains($"\"reason\":\"{reason}\"", stream, StringComparison.Ordinal);
        Assert.Equal(2 * lines, shared.Logs.Mentioning($"for {who}{_user}").Count);
        await good.InvokeAsync<object>("Inbox", Token);
    }

    static EventQueue Received(HubConnection hub, string name)
    {
        var queue = new EventQueue();
        hub.On<object>(name, body => queue.Add(SignalRTransport.ToJson(body)));
        return queue;
    }

    async Task<HubConnection> BuildAsync(Way way, string? user = null) =>
        new SignalRTransport(way == Way.SignalRMessagePack).Build(_host.Address, await _host.TokenAsync(user ?? _user));

    sealed class EventQueue
    {
        readonly System.Threading.Channels.Channel<JsonElement> _events = System.Threading.Channels.Channel.CreateUnbounded<JsonElement>();

        public void Add(JsonElement body) => _events.Writer.TryWrite(body);

        public async Task<JsonElement> NextAsync() => await _events.Reader.ReadAsync(Token).AsTask().WaitAsync(s_long, Token);
    }
}
