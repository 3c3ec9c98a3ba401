using System.Text.Json;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>Each event that a client may send, what it is answered, and who gets what; and what is wrong with wrong ones.</summary>
public sealed class SocketIoEventTests(SocketIoHost host, NodeClients node) : IClassFixture<SocketIoHost>, IClassFixture<NodeClients>
{
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Fact]
    public async Task Joining_and_leaving_are_acknowledged_and_told()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        var joined = await ann.IsOkAsync("join:room", new { roomId = _room });
        Assert.Equal(_room, joined.GetProperty("room").GetString());
        Assert.Equal($"{joined.GetProperty("epoch").GetString()}:0", joined.GetProperty("cursor").GetString());
        Assert.Equal(0, joined.GetProperty("offset").GetInt64());
        var told = (await ann.NextAsync("room:joined"))[0];
        Assert.Equal(_room, told.GetProperty("roomId").GetString());

        await using var bob = await host.ConnectAsync(node, "bob");
        await bob.IsOkAsync("join:room", _room);
        var came = await ann.NextAsync("user:joined");
        Assert.Equal("bob", came[0].GetString());
        Assert.Equal(_room, came[1].GetProperty("roomId").GetString());
        Assert.Equal(2, came[1].GetProperty("members").GetInt32());

        Assert.Equal(_room, (await bob.IsOkAsync("leave:room", _room)).GetProperty("room").GetString());
        Assert.Equal(_room, (await bob.NextAsync("room:left"))[0].GetProperty("roomId").GetString());
        Assert.Equal("bob", (await ann.NextAsync("user:left"))[0].GetString());

        // Nobody was told of itself, and who has left gets nothing more.
        await ann.IsOkAsync("message", new { roomId = _room, message = "alone" });
        await bob.IsOkAsync("join:room", _room);
        await ann.IsOkAsync("message", new { roomId = _room, message = "together" });
        Assert.Equal("together", (await bob.NextAsync("message:new"))[0].GetProperty("message").GetString());
        Assert.Equal(0, bob.Count("message:new"));
        Assert.Equal(0, bob.Count("user:joined"));
        Assert.Equal("bob", (await ann.NextAsync("user:joined"))[0].GetString());
        Assert.Equal(0, ann.Count("user:joined"));
    }

    [Fact]
    public async Task A_join_with_a_cursor_brings_what_followed_it()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        string? cursor = (await ann.IsOkAsync("join:room", _room)).GetProperty("cursor").GetString();
        for (int i = 1; i <= 3; i++)
        {
            var kept = await ann.IsOkAsync("message", new { roomId = _room, message = i });
            cursor = i == 1 ? kept.GetProperty("cursor").GetString() : cursor;
        }

        await using var bob = await host.ConnectAsync(node, "bob");
        Assert.True((await bob.IsOkAsync("join:room", new { roomId = _room, cursor })).GetProperty("recovered").GetBoolean());
        Assert.True((await bob.NextAsync("room:joined"))[0].GetProperty("recovered").GetBoolean());
        Assert.Equal(2, (await bob.NextAsync("message:new"))[0].GetProperty("message").GetInt32());
        Assert.Equal(3, (await bob.NextAsync("message:new"))[0].GetProperty("message").GetInt32());
    }

    [Fact]
    public async Task A_message_has_a_short_form_an_event_of_its_own_and_a_way_of_delivery()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var bob = await host.ConnectAsync(node, "bob");
        await ann.IsOkAsync("join:room", _room);
        await bob.IsOkAsync("join:room", _room);

        await ann.IsOkAsync("message", _room, "short");
        Assert.Equal("short", (await bob.NextAsync("message:new"))[0].GetProperty("message").GetString());

        await ann.IsOkAsync("message", new { roomId = _room, message = new { x = 1 }, @event = "moved" });
        var moved = await bob.NextAsync("moved");
        Assert.Equal(1, moved[0].GetProperty("x").GetInt32());
        Assert.Equal("ann", moved[1].GetProperty("from").GetString());
        Assert.Equal(_room, moved[1].GetProperty("roomId").GetString());
        Assert.Equal(2, moved[1].GetProperty("offset").GetInt64());

        // A name that the client would take for something else.
        await ann.IsOkAsync("message", new { roomId = _room, message = "not the server's", @event = "disconnect" });
        var odd = (await bob.NextAsync("message:new"))[0];
        Assert.Equal("not the server's", odd.GetProperty("message").GetString());
        Assert.Equal("disconnect", odd.GetProperty("event").GetString());

        await ann.IsOkAsync("message", new { roomId = _room, message = "is typing", @event = "typing", delivery = "transient" });
        Assert.Equal("is typing", (await bob.NextAsync("typing"))[0].GetString());
        await ann.IsOkAsync("message", new { roomId = _room, message = 20, @event = "price", delivery = "latest", key = "gold" });
        Assert.Equal(20, (await bob.NextAsync("price"))[0].GetInt32());
        var history = await bob.IsOkAsync("history", new { roomId = _room });
        Assert.Equal([1L, 2, 3], history.GetProperty("messages").EnumerateArray().Select(m => m.GetProperty("offset").GetInt64()));
    }

    [Fact]
    public async Task A_retry_is_acknowledged_as_a_duplicate_and_sent_once()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await ann.IsOkAsync("join:room", _room);
        object message = new { roomId = _room, message = "once", messageId = "m-1" };
        Assert.False((await ann.IsOkAsync("message", message)).GetProperty("duplicate").GetBoolean());
        var again = await ann.IsOkAsync("message", message);
        Assert.True(again.GetProperty("duplicate").GetBoolean());
        Assert.Equal(1, again.GetProperty("offset").GetInt64());
        await ann.IsOkAsync("message", _room, "then");
        Assert.Equal("once", (await ann.NextAsync("message:new"))[0].GetProperty("message").GetString());
        Assert.Equal("then", (await ann.NextAsync("message:new"))[0].GetProperty("message").GetString());
    }

    [Fact]
    public async Task A_direct_message_comes_to_its_user_alone_and_stays_in_the_inbox()
    {
        string user = "user-" + Guid.NewGuid().ToString("n");
        await using var ann = await host.ConnectAsync(node, "ann");
        await ann.IsOkAsync("direct:message", new { userId = user, message = "waits" });
        await using var socket = await host.ConnectAsync(node, user);
        await ann.IsOkAsync("direct:message", new { userId = user, message = new { now = true }, messageId = "d-1" });
        Assert.Equal("waits", (await socket.NextAsync("direct:message"))[0].GetProperty("message").GetString());
        var direct = (await socket.NextAsync("direct:message"))[0];
        Assert.True(direct.GetProperty("message").GetProperty("now").GetBoolean());
        Assert.Equal("ann", direct.GetProperty("from").GetString());
        Assert.Equal("d-1", direct.GetProperty("messageId").GetString());
        Assert.Equal(2, direct.GetProperty("offset").GetInt64());
        var inbox = await socket.IsOkAsync("inbox");
        Assert.Equal(2, inbox.GetProperty("messages").GetArrayLength());
        Assert.Equal(0, ann.Count("direct:message"));
    }

    [Fact]
    public async Task A_notification_of_an_administrator_reaches_everybody_in_its_namespace()
    {
        string text = Guid.NewGuid().ToString();
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var listed = await node.ConnectAsync(new() { Server = host.Address, Namespace = "/listed" });
        await using var root = await host.ConnectAsync(node, "root", "&role=admin");
        await root.IsOkAsync("notification", new { message = text, @namespace = "/listed" });
        await root.IsOkAsync("notification", new { message = text + "!" });
        var args = await listed.NextAsync("notification");
        Assert.Equal(text, args[0].GetString());
        Assert.Equal("/listed", args[1].GetProperty("namespace").GetString());
        foreach (var socket in new[] { ann, root })
        {
            string? came;
            do
            {
                came = (await socket.NextAsync("notification"))[0].GetString();
                Assert.NotEqual(text, came);
            }
            while (came != text + "!");
        }

        Assert.Equal("not_allowed", (await ann.EmitAsync("notification", new { message = "mine" })).ErrorCode());
    }

    [Fact]
    public async Task An_update_of_a_room_is_an_event_of_its_own()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await ann.IsOkAsync("join:room", _room);
        await ann.IsOkAsync("room:update", new { roomId = _room, data = new { topic = "news" } });
        var args = await ann.NextAsync("room:update");
        Assert.Equal("news", args[0].GetProperty("topic").GetString());
        Assert.Equal(_room, args[1].GetProperty("roomId").GetString());
        Assert.Equal(1, args[1].GetProperty("offset").GetInt64());
    }

    [Fact]
    public async Task History_comes_in_pages_forwards_and_backwards()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        string? start = (await ann.IsOkAsync("join:room", _room)).GetProperty("cursor").GetString();
        for (int i = 1; i <= 5; i++)
        {
            await ann.IsOkAsync("message", _room, i);
        }

        var first = await ann.IsOkAsync("history", new { roomId = _room, after = start, limit = 2 });
        Assert.Equal([1L, 2], Offsets(first));
        Assert.True(first.GetProperty("more").GetBoolean());
        Assert.True(first.GetProperty("recovered").GetBoolean());
        Assert.Equal([3L, 4, 5], Offsets(await ann.IsOkAsync("history", new { roomId = _room, after = first.GetProperty("cursor").GetString() })));
        Assert.Equal([2L, 3], Offsets(await ann.IsOkAsync("history", new { roomId = _room, before = 4, limit = 2 })));

        static IEnumerable<long> Offsets(JsonElement page) => page.GetProperty("messages").EnumerateArray().Select(m => m.GetProperty("offset").GetInt64());
    }

    [Fact]
    public async Task Presence_names_who_is_there()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await ann.IsOkAsync("join:room", _room);
        var presence = await ann.IsOkAsync("presence", new { roomId = _room });
        Assert.Equal(1, presence.GetProperty("members").GetInt32());
        Assert.Equal("ann", Assert.Single(presence.GetProperty("list").EnumerateArray()).GetProperty("user").GetString());
    }

    [Fact]
    public async Task A_request_is_received_and_handlers_answer_as_they_like()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        Assert.Equal("""{"status":"received"}""", (await ann.EmitAsync("request")).GetRawText());
        Assert.Equal("""{"status":"received"}""", (await ann.EmitAsync("request", new { any = "thing" }, 5)).GetRawText());

        var several = await ann.EmitForAllAsync("several", "first", NodeSocket.Bytes([1, 2, 3]));
        Assert.Equal("one", several[0].GetString());
        Assert.Equal(2, several[1].GetInt32());
        Assert.Equal([1, 2, 3], NodeSocket.ToBytes(several[2]));

        Assert.Equal(3, (await ann.EmitAsync("order", new { count = 3 })).GetProperty("count").GetInt32());
        Assert.Equal("invalid_argument", (await ann.EmitAsync("order", new { count = "three" })).ErrorCode());
        var failure = await ann.EmitAsync("fail", new { });
        Assert.Equal("internal", failure.ErrorCode());
        Assert.DoesNotContain("secret", failure.GetRawText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("polling")]
    [InlineData("websocket")]
    public async Task The_server_greets_and_asks_and_the_client_answers_while_it_waits_itself(string transport)
    {
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Auth = new { greet = "Ann" }, Transports = [transport] });
        Assert.Equal("Ann", (await socket.NextAsync("welcome"))[0].GetString());
        await socket.AnswerAsync("question", new { count = 5, data = NodeSocket.Bytes([9]) }, "and more");
        var answer = await socket.EmitForAllAsync("ask", 10);
        Assert.Equal(2, answer[0].GetInt32());
        Assert.Equal(5, answer[1].GetProperty("count").GetInt32());
        var before = await socket.NextAsync("about-to-ask");
        Assert.Equal("first", before[0].GetString());
        Assert.Equal([1, 2], NodeSocket.ToBytes(before[1]));
        var question = await socket.NextAsync("question");
        Assert.Equal("how many?", question[0].GetString());
        Assert.Equal(3, question[1].GetInt32());
    }

    [Fact]
    public async Task A_client_that_does_not_answer_costs_the_one_who_asked_a_timeout()
    {
        await using var socket = await host.ConnectAsync(node, "ann");
        Assert.Equal("timeout", (await socket.EmitAsync("ask", 0.2)).ErrorCode());
    }

    [Fact]
    public async Task A_named_request_tells_success_or_a_sentence()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        var good = await ann.EmitAsync("request:order", new { count = 3 });
        Assert.Equal(["success", "result"], good.EnumerateObject().Select(p => p.Name));
        Assert.True(good.GetProperty("success").GetBoolean());
        Assert.Equal("ann", good.GetProperty("result").GetProperty("userId").GetString());
        foreach (var bad in new[] { await ann.EmitAsync("request:order", new { count = "x" }), await ann.EmitAsync("request:nothing", 1), await ann.EmitAsync("request:fail", new { }) })
        {
            Assert.Equal(["success", "error"], bad.EnumerateObject().Select(p => p.Name));
            Assert.False(bad.GetProperty("success").GetBoolean());
            Assert.Contains(' ', bad.GetProperty("error").GetString()!);
            Assert.DoesNotContain("secret", bad.GetRawText(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("unknown_event", "nobody-knows", "[]")]
    [InlineData("unknown_event", "nobody-knows", """[{"a":1},2]""")]
    [InlineData("invalid_argument", "a-name-of-more-than-128-bytes-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789", "[]")]
    [InlineData("invalid_argument", "join:room", "[]")]
    [InlineData("invalid_argument", "join:room", "[\"\"]")]
    [InlineData("invalid_argument", "join:room", "[true]")]
    [InlineData("invalid_argument", "join:room", "[null]")]
    [InlineData("invalid_argument", "join:room", "[{}]")]
    [InlineData("invalid_argument", "join:room", "[[\"room\"]]")]
    [InlineData("invalid_argument", "join:room", "[\"a\\u0001b\"]")]
    [InlineData("invalid_cursor", "join:room", """[{"roomId":"room","cursor":"nonsense"}]""")]
    [InlineData("invalid_argument", "leave:room", "[{}]")]
    [InlineData("not_a_member", "message", """[{"roomId":"never-joined","message":"hello"}]""")]
    [InlineData("not_a_member", "message", """["never-joined","hello"]""")]
    [InlineData("invalid_argument", "message", """[{"message":"hello"}]""")]
    [InlineData("invalid_argument", "message", "[]")]
    [InlineData("invalid_argument", "direct:message", """[{"message":"to nobody"}]""")]
    [InlineData("not_allowed", "notification", """[{"message":"mine"}]""")]
    [InlineData("not_a_member", "room:update", """[{"roomId":"never-joined","data":1}]""")]
    [InlineData("invalid_cursor", "history", """[{"roomId":"room","after":"nonsense"}]""")]
    [InlineData("invalid_argument", "history", """[{"roomId":"room","limit":-1}]""")]
    [InlineData("unauthenticated", "authenticate", """["nonsense"]""")]
    public async Task A_wrong_event_is_an_error_with_and_without_an_acknowledgement(string code, string @event, string arguments)
    {
        var args = JsonDocument.Parse(arguments).RootElement.EnumerateArray().Select(a => (object?)a).ToArray();
        await using var socket = await host.ConnectAsync(node, "ann");
        var answer = await socket.EmitAsync(@event, args);
        Assert.Equal(code, answer.ErrorCode());
        Assert.NotEmpty(answer.GetProperty("error").GetProperty("message").GetString()!);

        await socket.SendAsync(@event, args);
        var error = (await socket.NextAsync("error"))[0];
        Assert.Equal(@event, error.GetProperty("event").GetString());
        Assert.Equal(code, error.GetProperty("code").GetString());
        Assert.Equal(answer.GetProperty("error").GetProperty("message").GetString(), error.GetProperty("message").GetString());
        Assert.Equal("received", (await socket.EmitAsync("request")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Data_over_the_limit_of_a_message_is_refused_and_the_connection_stays()
    {
        await using var socket = await host.ConnectAsync(node, "ann");
        await socket.IsOkAsync("join:room", _room);
        Assert.Equal("payload_too_large", (await socket.EmitAsync("message", _room, new string('x', 70_000))).ErrorCode());
        Assert.Equal("payload_too_large", (await socket.EmitAsync("binary", NodeSocket.Bytes(new byte[70_000]))).ErrorCode());
        await socket.IsOkAsync("message", _room, "small");
    }

    [Fact]
    public async Task Administrators_disconnect_for_good()
    {
        string user = "user-" + Guid.NewGuid().ToString("n");
        await using var socket = await node.ConnectAsync(new() { Server = host.Address, Token = await host.Host.TokenAsync(user), Reconnection = true });
        using var rest = await host.Host.RestAsync("root", "&role=admin");
        await Eventually.True("the connection is listed", async () =>
            (await rest.GetStringAsync($"/api/users/{user}/connections", TestContext.Current.CancellationToken)).Contains("socketio", StringComparison.Ordinal));
        using var response = await rest.DeleteAsync($"/api/users/{user}/connections", TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
        Assert.Equal("disconnected", (await socket.NextAsync("closing"))[0].GetProperty("reason").GetString());
        Assert.Equal("io server disconnect", (await socket.NextAsync("@disconnect"))[0].GetString());
        Assert.False((await socket.StateAsync()).Active);
    }
}
