using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>Who may connect, to which namespace, and for how long.</summary>
public sealed class SocketIoAuthTests(SocketIoHost host, NodeClients node) : IClassFixture<SocketIoHost>, IClassFixture<NodeClients>
{
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData("polling")]
    [InlineData("websocket")]
    public async Task A_bad_token_is_a_connect_error_and_the_socket_connects_with_a_better_one(string transport)
    {
        await using var socket = await node.OpenAsync(new() { Server = host.Address, Token = "nonsense", Transports = [transport], Reconnection = true });
        await IsRefusedAsync(socket, "Authentication failed", "unauthenticated");
        await socket.SetAuthAsync(new { token = await host.Host.TokenAsync("ann") });
        await socket.ConnectAsync();
        Assert.False((await socket.ConnectedAsync()).Recovered);
        Assert.Equal("ann", await UserAsync(socket));
    }

    [Fact]
    public async Task A_token_in_the_query_or_in_a_header_is_for_namespaces_whose_auth_has_none()
    {
        string token = await host.Host.TokenAsync("ann");
        await using var byQuery = await node.ConnectAsync(new() { Server = host.Address, Query = new Dictionary<string, string> { ["access_token"] = token } });
        await using var byHeader = await node.ConnectAsync(new() { Server = host.Address, Headers = new Dictionary<string, string> { ["Authorization"] = $"Bearer {token}" } });
        await using var other = await node.ConnectAsync(new() { SharedWith = byQuery, Namespace = "/listed", Token = await host.Host.TokenAsync("bob") });
        Assert.Equal("ann", await UserAsync(byQuery));
        Assert.Equal("ann", await UserAsync(byHeader));
        Assert.Equal("bob", await UserAsync(other));
    }

    [Fact]
    public async Task A_client_without_a_token_is_a_guest_in_development()
    {
        await using var guest = await node.ConnectAsync(new() { Server = host.Address });
        Assert.Equal($"guest-{(await guest.StateAsync()).Id}", await UserAsync(guest));
    }

    [Fact]
    public async Task A_guest_is_refused_where_there_are_none()
    {
        await using var strict = await EmbeddedHost.StartAsync(("Realtime:Auth:AllowGuests", "false"));
        await using var guest = await node.OpenAsync(new() { Server = strict.Address });
        await IsRefusedAsync(guest, "Authentication failed", "unauthenticated");
        await using var ann = await node.ConnectAsync(new() { Server = strict.Address, Token = await strict.TokenAsync("ann") });
        Assert.Equal("ann", await UserAsync(ann));
    }

    [Fact]
    public async Task A_room_that_the_token_does_not_allow_is_refused()
    {
        await using var socket = await host.ConnectAsync(node, "ann", "&join=chat-*");
        Assert.Equal("not_allowed", (await socket.EmitAsync("join:room", "secret")).ErrorCode());
        await socket.IsOkAsync("join:room", "chat-" + _room);
    }

    [Fact]
    public async Task Middleware_refuses_with_its_own_message_and_data_and_leaves_claims()
    {
        await using var refused = await node.OpenAsync(new() { Server = host.Address, Auth = new { refuse = true } });
        var error = (await refused.NextAsync("@connect_error"))[0];
        Assert.Equal("Not today", error.GetProperty("message").GetString());
        Assert.Equal("""{"code":7,"until":"tomorrow"}""", error.GetProperty("data").GetRawText());

        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Auth = new { color = "green" } });
        Assert.Equal("green", (await socket.EmitAsync("color", new { })).GetProperty("color").GetString());
    }

    [Fact]
    public async Task An_unknown_namespace_is_a_connect_error_and_the_others_go_on()
    {
        await using var socket = await host.ConnectAsync(node, "ann");
        await using var other = await node.OpenAsync(new() { SharedWith = socket, Namespace = "/nowhere" });
        Assert.Equal("Invalid namespace", (await other.NextAsync("@connect_error"))[0].GetProperty("message").GetString());
        Assert.Equal("ann", await UserAsync(socket));
    }

    [Fact]
    public async Task The_admin_namespace_needs_the_role()
    {
        await using var ann = await node.OpenAsync(new() { Server = host.Address, Namespace = "/admin", Token = await host.Host.TokenAsync("ann") });
        var error = (await ann.NextAsync("@connect_error"))[0];
        Assert.Equal("not_allowed", error.GetProperty("data").GetProperty("code").GetString());
        await using var guest = await node.OpenAsync(new() { Server = host.Address, Namespace = "/admin" });
        await guest.NextAsync("@connect_error");
        await using var root = await node.ConnectAsync(new() { Server = host.Address, Namespace = "/admin", Token = await host.Host.TokenAsync("root", "&role=admin") });
        Assert.Equal("root", await UserAsync(root));
    }

    [Fact]
    public async Task Namespaces_share_a_connection_and_nothing_else()
    {
        string token = await host.Host.TokenAsync("root", "&role=admin");
        await using var main = await node.ConnectAsync(new() { Server = host.Address, Token = token, Transports = ["polling", "websocket"] });
        await using var admin = await node.ConnectAsync(new() { SharedWith = main, Namespace = "/admin", Token = token });
        await using var coded = await node.ConnectAsync(new() { SharedWith = main, Namespace = "/coded", Token = token });
        NodeSocket[] sockets = [main, admin, coded];
        var states = new List<NodeSocketState>();
        foreach (var socket in sockets)
        {
            states.Add(await socket.StateAsync());
            await socket.IsOkAsync("join:room", _room);
        }

        Assert.Single(states.Select(s => s.Connection).Distinct());
        Assert.Equal(3, states.Select(s => s.Id).Distinct().Count());
        foreach (var (socket, text) in sockets.Zip(["in /", "in /admin", "in /coded"]))
        {
            Assert.Equal(1, (await socket.EmitAsync("message", new { roomId = _room, message = text })).GetProperty("offset").GetInt64());
            var message = (await socket.NextAsync("message:new"))[0];
            Assert.Equal(text, message.GetProperty("message").GetString());
            Assert.Equal(_room, message.GetProperty("roomId").GetString());
        }

        Assert.All(sockets, s => Assert.Equal(0, s.Count("message:new")));
        using var rest = await host.Host.RestAsync("root", "&role=admin");
        var history = await rest.GetFromJsonAsync<JsonElement>($"/api/rooms/{_room}/messages?namespace=/admin", TestContext.Current.CancellationToken);
        Assert.Equal("in /admin", Assert.Single(history.GetProperty("messages").EnumerateArray()).GetProperty("data").GetString());

        Assert.Equal("/coded", (await coded.EmitAsync("where")).GetString());
        Assert.Equal("unknown_event", (await main.EmitAsync("where")).ErrorCode());

        // What one namespace does ends nothing of the others.
        await admin.DisconnectAsync();
        Assert.Equal("root", await UserAsync(main));
        Assert.Equal("root", await UserAsync(coded));
    }

    [Fact]
    public async Task Middleware_of_a_namespace_is_asked_there_alone()
    {
        await using var socket = await node.ConnectAsync(new() { Server = host.Address });
        await using var coded = await node.OpenAsync(new() { SharedWith = socket, Namespace = "/coded" });
        Assert.Equal("Only with a token", (await coded.NextAsync("@connect_error"))[0].GetProperty("message").GetString());
    }

    [Fact]
    public async Task An_expired_token_ends_the_connection_and_a_new_one_brings_back_what_was_missed()
    {
        await using var socket = await node.ConnectAsync(new()
        {
            Server = host.Address,
            Token = await host.Host.TokenAsync("ann", "&expiresIn=2"),
            Reconnection = true,
        });
        string? id = (await socket.StateAsync()).Id;
        await socket.IsOkAsync("join:room", _room);
        var closing = (await socket.NextAsync("closing"))[0];
        Assert.Equal("token_expired", closing.GetProperty("reason").GetString());
        await socket.NextAsync("@disconnect");

        // It comes back by itself, with the token that is no good any more.
        await IsRefusedAsync(socket, "Authentication failed", "unauthenticated");
        using var rest = await host.Host.RestAsync("bob");
        await PublishAsync(rest, "missed");
        await socket.SetAuthAsync(new { token = await host.Host.TokenAsync("ann") });
        await socket.ConnectAsync();
        var state = await socket.ConnectedAsync();
        Assert.True(state.Recovered);
        Assert.Equal(id, state.Id);
        Assert.Equal("missed", (await socket.NextAsync("message:new"))[0].GetProperty("message").GetString());
        await PublishAsync(rest, "live");
        Assert.Equal("live", (await socket.NextAsync("message:new"))[0].GetProperty("message").GetString());
    }

    [Fact]
    public async Task A_token_that_is_renewed_in_time_keeps_the_connection()
    {
        await using var socket = await host.ConnectAsync(node, "ann", "&expiresIn=2");
        var answer = await socket.EmitAsync("authenticate", new { token = await host.Host.TokenAsync("ann") });
        Assert.Equal("ok", answer.GetProperty("status").GetString());
        Assert.Equal("ann", answer.GetProperty("user").GetString());
        Assert.True(answer.GetProperty("expiresAt").GetDateTime() > DateTime.UtcNow.AddMinutes(1));
        await Pause.ForAsync(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken);
        Assert.Equal("ann", await UserAsync(socket));
        Assert.Equal(0, socket.Count("closing"));
    }

    /// <summary>Who the server takes the socket's user for.</summary>
    static async Task<string?> UserAsync(NodeSocket socket)
    {
        string room = "room-" + Guid.NewGuid().ToString("n");
        await socket.IsOkAsync("join:room", room);
        await socket.SendAsync("message", new { roomId = room, message = "who am I?" });
        return (await socket.NextAsync("message:new"))[0].GetProperty("from").GetString();
    }

    static async Task IsRefusedAsync(NodeSocket socket, string message, string code)
    {
        var error = (await socket.NextAsync("@connect_error"))[0];
        Assert.Equal(message, error.GetProperty("message").GetString());
        Assert.Equal(code, error.GetProperty("data").GetProperty("code").GetString());
        Assert.NotEmpty(error.GetProperty("data").GetProperty("message").GetString()!);
    }

    async Task PublishAsync(HttpClient rest, string text)
    {
        using var response = await rest.PostAsJsonAsync($"/api/rooms/{_room}/messages", new { data = text }, TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
    }
}
