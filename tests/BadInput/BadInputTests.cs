using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.BadInput;

/// <summary>A server with small limits.</summary>
public sealed class SmallLimits : IAsyncLifetime
{
    public const int PayloadBytes = 1024, Rooms = 3;

    internal EmbeddedHost Host { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        ("Realtime:Gateway:MaxPayloadBytes", $"{PayloadBytes}"), ("Realtime:Gateway:MaxRoomsPerConnection", $"{Rooms}"));

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

/// <summary>What clients get for requests that are wrong: a code and a sentence, and everything else goes on.</summary>
public sealed class BadInputTests(SmallLimits limits) : IClassFixture<SmallLimits>
{
    static readonly string s_large = new('x', 10 * SmallLimits.PayloadBytes);

    readonly EmbeddedHost _host = limits.Host;
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_payload_over_the_limit_is_refused_and_the_connection_stays(bool messagePack)
    {
        await using var hub = await ConnectAsync(messagePack: messagePack);
        await hub.InvokeAsync("Join", _room, Token);
        await RefusedAsync("payload_too_large", hub.InvokeAsync("Send", _room, "message", s_large, Token));
        await IsAliveAsync(hub);
    }

    [Fact]
    public async Task A_payload_over_the_limit_is_413_in_REST()
    {
        using var http = await _host.RestAsync("ann");
        using var answer = await http.PostAsJsonAsync($"/api/rooms/{_room}/messages", new { data = s_large }, Token);
        await IsProblemAsync(HttpStatusCode.RequestEntityTooLarge, "payload_too_large", answer);
    }

    [Theory]
    [InlineData("{\"type\":1,\"invocationId\":")]
    [InlineData("nonsense")]
    [InlineData("[]")]
    [InlineData("{\"type\":\"one\"}")]
    public async Task Invalid_JSON_closes_its_connection_with_an_error(string text)
    {
        using var socket = await OpenSocketAsync();
        await SendAsync(socket, Encoding.UTF8.GetBytes(text + "\u001e"));
        string last = await ReadToEndAsync(socket);
        Assert.Contains("\"type\":7,\"error\":", last, StringComparison.Ordinal);
        HasNoStackTrace(last);
        await ServerIsAliveAsync();
    }

    [Fact]
    public async Task An_oversized_WebSocket_message_closes_its_connection_with_an_error()
    {
        using var socket = await OpenSocketAsync();
        await SendAsync(socket, Encoding.UTF8.GetBytes(new string('x', 20 << 10)));
        string last = await ReadToEndAsync(socket);
        Assert.Contains("\"type\":7,\"error\":", last, StringComparison.Ordinal);
        HasNoStackTrace(last);
        await ServerIsAliveAsync();
    }

    [Fact]
    public async Task Invalid_UTF8_closes_its_connection()
    {
        using var socket = await OpenSocketAsync();
        await SendAsync(socket, [(byte)'"', 0xC3, 0x28, 0xFF, (byte)'"', 0x1E]);
        HasNoStackTrace(await ReadToEndAsync(socket));
        await ServerIsAliveAsync();
    }

    [Fact]
    public async Task An_unknown_method_is_refused_and_the_connection_stays()
    {
        await using var hub = await ConnectAsync();
        var refused = await Assert.ThrowsAsync<HubException>(() => hub.InvokeAsync("Reboot", Token));
        Assert.Contains("Method does not exist", refused.Message, StringComparison.Ordinal);
        HasNoStackTrace(refused.Message);
        await IsAliveAsync(hub);
    }

    [Fact]
    public async Task Wrong_arguments_are_refused_and_the_connection_stays()
    {
        await using var hub = await ConnectAsync();
        foreach (var call in new[]
        {
            hub.InvokeAsync("Join", 12, Token),
            hub.InvokeAsync("Join", Token),
            hub.InvokeAsync("Join", _room, new { a = 1 }, Token),
            hub.InvokeAsync("HistoryBefore", _room, "soon", Token),
            hub.InvokeAsync("Join", _room, "", "too", "many", Token),
        })
        {
            HasNoStackTrace((await Assert.ThrowsAsync<HubException>(() => call)).Message);
        }

        await IsAliveAsync(hub);
    }

    public static TheoryData<string> BadRoomNames => ["", new string('r', 129), new string('ü', 65), "a\nb", "a\0b", "\u007f"];

    [Theory]
    [MemberData(nameof(BadRoomNames))]
    public async Task A_room_name_that_is_empty_or_too_long_or_has_control_characters_is_refused(string room)
    {
        await using var hub = await ConnectAsync();
        await RefusedAsync("invalid_argument", hub.InvokeAsync("Join", room, Token));
        await IsAliveAsync(hub);
        if (!string.IsNullOrEmpty(room))
        {
            using var http = await _host.RestAsync("ann");
            using var answer = await http.PostAsJsonAsync($"/api/rooms/{Uri.EscapeDataString(room)}/messages", new { data = 1 }, Token);
            if (room.Contains('\0', StringComparison.Ordinal))
            {
                // Kestrel itself lets no such path in.
                Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            }
            else
            {
                await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_argument", answer);
            }

            using var events = await http.GetAsync(new Uri($"/events?room={Uri.EscapeDataString(room)}", UriKind.Relative), Token);
            await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_argument", events);
        }
    }

    [Fact]
    public async Task Sending_to_or_leaving_a_room_without_being_in_it_is_refused()
    {
        await using var hub = await ConnectAsync();
        await RefusedAsync("not_a_member", hub.InvokeAsync("Send", _room, "message", "hello", Token));
        await RefusedAsync("not_a_member", hub.InvokeAsync("Leave", _room, Token));
        await IsAliveAsync(hub);
    }

    [Fact]
    public async Task What_the_token_does_not_allow_is_refused()
    {
        await using var hub = await ConnectAsync("&join=chat-*");
        await hub.InvokeAsync("Join", "chat-" + _room, Token);
        await RefusedAsync("not_allowed", hub.InvokeAsync("Join", _room, Token));
        await RefusedAsync("not_allowed", hub.InvokeAsync("History", _room, Token));
        await RefusedAsync("not_allowed", hub.InvokeAsync("Broadcast", "message", "to all", Token));
        await IsAliveAsync(hub, "chat-" + _room);
        using var http = await _host.RestAsync("ann", "&join=chat-*");
        using var history = await http.GetAsync(new Uri($"/api/rooms/{_room}/messages", UriKind.Relative), Token);
        await IsProblemAsync(HttpStatusCode.Forbidden, "not_allowed", history);
        using var events = await http.GetAsync(new Uri($"/events?room={_room}", UriKind.Relative), Token);
        await IsProblemAsync(HttpStatusCode.Forbidden, "not_allowed", events);
        using var broadcast = await http.PostAsJsonAsync("/api/namespaces/messages", new { data = "to all" }, Token);
        await IsProblemAsync(HttpStatusCode.Forbidden, "not_allowed", broadcast);
    }

    [Fact]
    public async Task A_cursor_that_is_malformed_or_of_another_channel_is_refused()
    {
        await using var hub = await ConnectAsync();
        using var http = await _host.RestAsync("ann");
        string other = (await hub.InvokeAsync<JsonElement>("Join", _room + "-other", Token)).GetProperty("cursor").GetString()!;
        foreach (string cursor in new[] { "x", ":", "abc:-1", other + "0000000000000000000000", other })
        {
            await RefusedAsync("invalid_cursor", hub.InvokeAsync("Join", _room, cursor, Token));
            await RefusedAsync("invalid_cursor", hub.InvokeAsync("History", _room, cursor, Token));
            using var history = await http.GetAsync(new Uri($"/api/rooms/{_room}/messages?after={cursor}", UriKind.Relative), Token);
            await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_cursor", history);
            using var events = await http.GetAsync(new Uri($"/events?room={_room}&lastEventId={cursor}", UriKind.Relative), Token);
            await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_cursor", events);
        }

        await IsAliveAsync(hub);
    }

    [Fact]
    public async Task A_connection_in_too_many_rooms_is_refused_another_until_it_leaves_one()
    {
        await using var hub = await ConnectAsync();
        for (int i = 0; i < SmallLimits.Rooms; i++)
        {
            await hub.InvokeAsync("Join", $"{_room}-{i}", Token);
        }

        await RefusedAsync("too_many_rooms", hub.InvokeAsync("Join", _room, Token));
        await hub.InvokeAsync("Leave", $"{_room}-0", Token);
        await IsAliveAsync(hub);
        using var http = await _host.RestAsync("ann");
        using var events = await http.GetAsync(new Uri("/events?room=a&room=b&room=c&room=d", UriKind.Relative), Token);
        await IsProblemAsync(HttpStatusCode.TooManyRequests, "too_many_rooms", events);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Optional_arguments_may_be_left_out(bool messagePack)
    {
        await using var hub = await ConnectAsync(messagePack: messagePack);
        await hub.InvokeAsync("Join", _room, Token);
        await hub.InvokeAsync("Send", _room, "message", "hello", Token);
        await hub.InvokeAsync("SendWith", _room, "message", "hello", Token);
        await hub.InvokeAsync("History", _room, Token);
        await hub.InvokeAsync("Inbox", Token);
    }

    [Fact]
    public async Task Unknown_deliveries_and_keys_out_of_place_are_refused()
    {
        await using var hub = await ConnectAsync();
        await hub.InvokeAsync("Join", _room, Token);
        await RefusedAsync("invalid_argument", hub.InvokeAsync("SendWith", _room, "message", 1, new { delivery = "sometimes" }, Token));
        await RefusedAsync("invalid_argument", hub.InvokeAsync("SendWith", _room, "message", 1, new { delivery = "latest" }, Token));
        await RefusedAsync("invalid_argument", hub.InvokeAsync("SendWith", _room, "message", 1, new { key = "k" }, Token));
        await IsAliveAsync(hub);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(501)]
    public async Task A_history_limit_out_of_range_is_refused(int limit)
    {
        await using var hub = await ConnectAsync();
        await RefusedAsync("invalid_argument", hub.InvokeAsync("History", _room, null, limit, Token));
        using var http = await _host.RestAsync("ann");
        using var history = await http.GetAsync(new Uri($"/api/rooms/{_room}/messages?limit={limit}", UriKind.Relative), Token);
        await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_argument", history);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"event\": 3}")]
    [InlineData("")]
    public async Task A_REST_body_that_is_not_the_expected_JSON_is_refused(string body)
    {
        using var http = await _host.RestAsync("ann");
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(new Uri($"/api/rooms/{_room}/messages", UriKind.Relative), content, Token);
        await IsProblemAsync(HttpStatusCode.BadRequest, "invalid_argument", answer);
    }

    static async Task RefusedAsync(string code, Task call)
    {
        var refused = await Assert.ThrowsAsync<HubException>(() => call);
        Assert.Contains(code + ": ", refused.Message, StringComparison.Ordinal);
        HasNoStackTrace(refused.Message);
    }

    static async Task IsProblemAsync(HttpStatusCode status, string code, HttpResponseMessage answer)
    {
        string body = await answer.Content.ReadAsStringAsync(Token);
        Assert.True(status == answer.StatusCode, $"{answer.StatusCode}: {body}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal(code, JsonDocument.Parse(body).RootElement.GetProperty("code").GetString());
        HasNoStackTrace(body);
    }

    static void HasNoStackTrace(string text)
    {
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        Assert.DoesNotContain(".cs:line", text, StringComparison.Ordinal);
    }

    static async Task SendAsync(ClientWebSocket socket, byte[] message)
    {
        try
        {
            await socket.SendAsync(message, WebSocketMessageType.Text, true, Token);
        }
        catch (WebSocketException)
        {
            // The server may have had enough before it is all sent.
        }
    }

    static async Task<string> ReadToEndAsync(ClientWebSocket socket)
    {
        byte[] buffer = new byte[16 << 10];
        var all = new StringBuilder();
        try
        {
            while (await socket.ReceiveAsync(buffer, Token) is { MessageType: not WebSocketMessageType.Close } result)
            {
                all.Append(Encoding.UTF8.GetString(buffer, 0, result.Count));
            }
        }
        catch (WebSocketException)
        {
            // Cut off: what came before counts.
        }

        return all.ToString();
    }

    async Task<HubConnection> ConnectAsync(string query = "", bool messagePack = false)
    {
        var hub = new SignalRTransport(messagePack).Build(_host.Address, await _host.TokenAsync("ann", query));
        await hub.StartAsync(Token);
        return hub;
    }

    async Task IsAliveAsync(HubConnection hub, string? room = null)
    {
        await hub.InvokeAsync("Join", room ?? _room, Token);
        await hub.InvokeAsync("Send", room ?? _room, "message", "still here", Token);
        Assert.Equal(HubConnectionState.Connected, hub.State);
    }

    async Task ServerIsAliveAsync()
    {
        await using var hub = await ConnectAsync();
        await IsAliveAsync(hub);
    }

    async Task<ClientWebSocket> OpenSocketAsync()
    {
        var socket = new ClientWebSocket();
        await socket.ConnectAsync(new Uri($"ws://{_host.Address.Authority}/hub?access_token={await _host.TokenAsync("ann")}"), Token);
        await socket.SendAsync(Encoding.UTF8.GetBytes("{\"protocol\":\"json\",\"version\":1}\u001e"), WebSocketMessageType.Text, true, Token);
        return socket;
    }
}
