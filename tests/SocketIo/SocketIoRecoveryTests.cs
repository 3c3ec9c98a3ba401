using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>A socket that comes back with its <c>pid</c> and its last offset goes on where it was.</summary>
public sealed class SocketIoRecoveryTests(SmallHistory small, NodeClients node) : IClassFixture<SmallHistory>, IClassFixture<NodeClients>
{
    readonly EmbeddedHost _host = small.Host;
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData("websocket", true)]
    [InlineData("websocket", false)]
    [InlineData("polling", true)]
    public async Task A_socket_outlives_its_server(string transport, bool killed)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var socket = await node.OpenAsync(new()
        {
            Server = server.Address,
            Token = await server.TokenAsync("ann"),
            Transports = [transport],
            Reconnection = true,
            Gated = true,
        });
        await socket.ReleaseAsync();
        string? id = (await socket.ConnectedAsync()).Id;
        await socket.NextAsync("@open");
        await socket.IsOkAsync("join:room", _room);
        for (int i = 1; i <= 3; i++)
        {
            await socket.IsOkAsync("message", _room, i);
            Assert.Equal(i, Offset(await socket.NextAsync("message:new")));
        }

        // Its own backoff brings it back to the server; it asks for its namespace only when there is something that it has missed.
        await socket.HoldAsync();
        await (killed ? server.KillAsync() : server.TerminateAsync());
        await socket.NextAsync("@disconnect");
        for (int attempt = 1; attempt <= 3; attempt++)
        {
            Assert.Equal(attempt, (await socket.NextAsync("@reconnect_attempt"))[0].GetInt32());
        }

        await server.RestartAsync();
        await socket.NextAsync("@open");
        using var rest = await server.RestAsync("bob");
        await PublishAsync(rest, 4, 13);
        var publishing = PublishAsync(rest, 14, 63);
        await socket.ReleaseAsync();
        var state = await socket.ConnectedAsync();
        await publishing;
        Assert.True(state.Recovered);
        Assert.Equal(id, state.Id);
        await socket.IsOkAsync("message", _room, 64);
        await BringsAsync(socket, 4, 64);
    }

    [Fact]
    public async Task A_socket_that_had_received_nothing_since_it_joined_misses_nothing_either()
    {
        await using var socket = await JoinAsync("ann");
        await socket.CutAsync();
        await socket.NextAsync("@disconnect");
        using var rest = await _host.RestAsync("bob");
        await PublishAsync(rest, 1, 5);
        await socket.ConnectAsync();
        Assert.True((await socket.ConnectedAsync()).Recovered);
        await PublishAsync(rest, 6, 10);
        await BringsAsync(socket, 1, 10);
    }

    [Fact]
    public async Task One_offset_stands_for_all_rooms_and_the_inbox()
    {
        string user = "user-" + Guid.NewGuid().ToString("n");
        string[] rooms = [_room, _room + "-2", _room + "-3"];
        await using var socket = await JoinAsync(user);
        await socket.IsOkAsync("join:room", rooms[1]);
        await socket.IsOkAsync("join:room", rooms[2]);
        await socket.IsOkAsync("join:room", _room + "-left");
        await socket.IsOkAsync("leave:room", _room + "-left");
        using var rest = await _host.RestAsync("bob");
        await PublishAsync(rest, 1, 3);
        await BringsAsync(socket, 1, 3);

        await socket.CutAsync();
        await socket.NextAsync("@disconnect");
        await PublishAsync(rest, 4, 6);
        await PublishAsync(rest, 1, 3, rooms[1]);
        await PublishAsync(rest, 1, 1, _room + "-left");
        using var response = await rest.PostAsJsonAsync($"/api/users/{user}/messages", new { data = "direct" }, TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
        await socket.ConnectAsync();
        Assert.True((await socket.ConnectedAsync()).Recovered);
        await socket.IsOkAsync("message", rooms[2], "own");

        var places = new List<string>();
        for (int i = 0; i < 7; i++)
        {
            var message = (await socket.NextAsync("message:new"))[0];
            places.Add($"{message.GetProperty("roomId").GetString()} {message.GetProperty("offset").GetInt64()}");
        }

        Assert.Equal([$"{rooms[0]} 4", $"{rooms[0]} 5", $"{rooms[0]} 6"], places.Where(p => p.StartsWith(rooms[0] + " ", StringComparison.Ordinal)));
        Assert.Equal([$"{rooms[1]} 1", $"{rooms[1]} 2", $"{rooms[1]} 3"], places.Where(p => p.StartsWith(rooms[1], StringComparison.Ordinal)));
        Assert.Equal($"{rooms[2]} 1", places[^1]);
        Assert.Equal("direct", (await socket.NextAsync("direct:message"))[0].GetProperty("message").GetString());
        Assert.Equal("not_a_member", (await socket.EmitAsync("message", _room + "-left", "gone")).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task A_socket_recovers_again_and_again_and_gets_each_message_once()
    {
        await using var socket = await JoinAsync("ann");
        using var rest = await _host.RestAsync("bob");
        string? id = (await socket.StateAsync()).Id;
        for (int i = 0; i < 5; i++)
        {
            await PublishAsync(rest, (i * 4) + 1, (i * 4) + 2);
            await socket.CutAsync();
            await socket.NextAsync("@disconnect");
            await PublishAsync(rest, (i * 4) + 3, (i * 4) + 4);
            await socket.ConnectAsync();
            var state = await socket.ConnectedAsync();
            Assert.True(state.Recovered);
            Assert.Equal(id, state.Id);
        }

        await BringsAsync(socket, 1, 20);
    }

    [Fact]
    public async Task Where_the_history_is_trimmed_it_is_a_new_socket_in_no_room()
    {
        await using var socket = await JoinAsync("ann");
        var before = await socket.StateAsync();
        await socket.CutAsync();
        await socket.NextAsync("@disconnect");
        using var rest = await _host.RestAsync("bob");
        await PublishAsync(rest, 1, 150);
        await socket.ConnectAsync();
        await IsNewAsync(socket, before);
    }

    [Fact]
    public async Task A_pid_or_an_offset_that_is_unknown_or_forged_makes_a_new_socket()
    {
        await using var ann = await JoinAsync("ann");
        var known = await ann.StateAsync();
        using var rest = await _host.RestAsync("bob");
        await PublishAsync(rest, 1, 1);
        await BringsAsync(ann, 1, 1);
        string offset = (await ann.StateAsync()).Offset!;
        (string? Pid, string? Offset)[] wrong =
        [
            ("nonsense", offset),
            (known.Pid, "nonsense"),
            (known.Pid, ""),
            (known.Pid![..^4] + (known.Pid.EndsWith("AAAA", StringComparison.Ordinal) ? "BBBB" : "AAAA"), offset),
            (new string('x', 5000), offset),
            (known.Pid, new string('x', 5000)),
        ];
        foreach (var (pid, place) in wrong)
        {
            await using var other = await node.ConnectAsync(new() { Server = _host.Address, Token = await _host.TokenAsync("ann"), Pid = pid, Offset = place });
            await IsNewAsync(other, known with { Pid = pid });
        }

        // Another user does not take the place of the first, who is still there.
        await using var bob = await node.ConnectAsync(new() { Server = _host.Address, Token = await _host.TokenAsync("bob"), Pid = known.Pid, Offset = offset });
        Assert.NotEqual(known.Id, (await bob.StateAsync()).Id);
        Assert.False((await bob.StateAsync()).Recovered);
        await PublishAsync(rest, 2, 2);
        await BringsAsync(ann, 2, 2);
    }

    [Fact]
    public async Task A_token_that_does_not_allow_one_of_the_rooms_any_more_recovers_nothing()
    {
        await using var socket = await JoinAsync("ann");
        await socket.IsOkAsync("join:room", _room + "-2");
        var before = await socket.StateAsync();
        await socket.CutAsync();
        await socket.NextAsync("@disconnect");
        using var rest = await _host.RestAsync("bob");
        await PublishAsync(rest, 1, 2);
        await socket.SetAuthAsync(new { token = await _host.TokenAsync("ann", $"&join={_room}") });
        await socket.ConnectAsync();
        await IsNewAsync(socket, before);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/listed")]
    public async Task Another_user_who_signs_in_on_the_same_socket_is_in_none_of_the_rooms_of_the_first(string ns)
    {
        await using var socket = await node.ConnectAsync(new() { Server = _host.Address, Namespace = ns, Token = await _host.TokenAsync("ann") });
        await socket.IsOkAsync("join:room", _room);
        var before = await socket.StateAsync();
        await socket.DisconnectAsync();
        await socket.SetAuthAsync(new { token = await _host.TokenAsync("bob") });
        await socket.ConnectAsync();
        await IsNewAsync(socket, before);
    }

    /// <summary>The socket is another one, in no room, and was sent nothing of what was missed.</summary>
    async Task IsNewAsync(NodeSocket socket, NodeSocketState before)
    {
        var state = await StateAsync(socket);
        Assert.False(state.Recovered);
        Assert.NotEqual(before.Id, state.Id);
        Assert.NotEqual(before.Pid, state.Pid);
        var refused = await socket.EmitAsync("message", _room, "nobody hears it");
        Assert.Equal("not_a_member", refused.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(0, socket.Count("message:new"));
    }

    /// <summary>What it says once it is connected.</summary>
    static async Task<NodeSocketState> StateAsync(NodeSocket socket)
    {
        var state = await socket.StateAsync();
        return state.Connected ? state : await socket.ConnectedAsync();
    }

    static long Offset(JsonElement[] args) => args[0].GetProperty("offset").GetInt64();

    /// <summary>The socket has been sent exactly the messages with these numbers, in this order, and no more.</summary>
    async Task BringsAsync(NodeSocket socket, int first, int last)
    {
        for (int i = first; i <= last; i++)
        {
            var args = await socket.NextAsync("message:new");
            Assert.Equal(i, Offset(args));
            Assert.Equal(i, args[0].GetProperty("message").GetInt32());
        }

        Assert.Equal(_room, (await socket.IsOkAsync("presence", _room)).GetProperty("room").GetString());
        Assert.Equal(0, socket.Count("message:new"));
    }

    async Task<NodeSocket> JoinAsync(string user)
    {
        var socket = await node.ConnectAsync(new() { Server = _host.Address, Token = await _host.TokenAsync(user) });
        await socket.IsOkAsync("join:room", _room);
        return socket;
    }

    /// <summary>Publishes the numbers, in order.</summary>
    async Task PublishAsync(HttpClient rest, int first, int last, string? room = null)
    {
        for (int i = first; i <= last; i++)
        {
            using var response = await rest.PostAsJsonAsync($"/api/rooms/{room ?? _room}/messages", new { data = i }, TestContext.Current.CancellationToken);
            response.EnsureSuccessStatusCode();
        }
    }
}

/// <summary>An embedded server that keeps few messages of a room.</summary>
public sealed class SmallHistory : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        ("Realtime:Channels:Rooms:Count", "50"), ("Realtime:Namespaces:Names:0", "/listed"));

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}
