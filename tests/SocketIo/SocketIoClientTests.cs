using System.Text.Json;
using OrleansRealtime.Tests.Contracts;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.Sse;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>socket.io-client by each of its transports, and in rooms with the clients of others.</summary>
public sealed class SocketIoClientTests(SocketIoHost host, NodeClients node) : IClassFixture<SocketIoHost>, IClassFixture<NodeClients>
{
    const string Upgrading = "polling,websocket";

    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData("polling", "polling")]
    [InlineData("websocket", "websocket")]
    [InlineData(Upgrading, "websocket")]
    public async Task Members_talk_by_each_transport(string transports, string last)
    {
        await using var ann = await JoinAsync("ann", transports);
        await using var bob = await JoinAsync("bob", transports);
        if (transports == Upgrading)
        {
            Assert.Equal("websocket", (await ann.NextAsync("@upgrade"))[0].GetString());
        }

        Assert.Equal(last, (await ann.StateAsync()).Transport);
        var kept = await ann.EmitAsync("message", new { roomId = _room, message = new { text = "hello" }, messageId = "m-1" });
        Assert.Equal("ok", kept.Status());
        Assert.Equal(1, kept.GetProperty("offset").GetInt64());
        Assert.Equal("m-1", kept.GetProperty("messageId").GetString());
        Assert.False(kept.GetProperty("duplicate").GetBoolean());
        foreach (var socket in new[] { ann, bob })
        {
            var args = await socket.NextAsync("message:new");
            Assert.Equal("ann", args[0].GetProperty("from").GetString());
            Assert.Equal("hello", args[0].GetProperty("message").GetProperty("text").GetString());
            Assert.Equal(_room, args[0].GetProperty("roomId").GetString());
            Assert.Equal(1, args[0].GetProperty("offset").GetInt64());
            Assert.Equal("m-1", args[0].GetProperty("messageId").GetString());
            Assert.Equal(DateTimeKind.Utc, args[0].GetProperty("timestamp").GetDateTime().Kind);
            Assert.Equal(JsonValueKind.String, args[^1].ValueKind);
            Assert.Equal(2, args.Length);
        }
    }

    [Fact]
    public async Task Nothing_is_lost_or_reordered_while_the_connection_is_upgraded()
    {
        await using var ann = await JoinAsync("ann", Upgrading);
        await using var bob = await JoinAsync("bob", Upgrading);
        const int count = 200;
        for (int i = 0; i < count; i++)
        {
            await (i % 2 == 0 ? ann : bob).SendAsync("message", new { roomId = _room, message = i });
        }

        foreach (var socket in new[] { ann, bob })
        {
            var numbers = new List<int>();
            for (int i = 1; i <= count; i++)
            {
                var message = (await socket.NextAsync("message:new"))[0];
                Assert.Equal(i, message.GetProperty("offset").GetInt64());
                numbers.Add(message.GetProperty("message").GetInt32());
            }

            // Each client's own are in the order in which it sent them.
            Assert.Equal(Enumerable.Range(0, count / 2).Select(i => i * 2), numbers.Where(n => n % 2 == 0));
            Assert.Equal(Enumerable.Range(0, count / 2).Select(i => (i * 2) + 1), numbers.Where(n => n % 2 == 1));
            await socket.NextAsync("@upgrade");
        }
    }

    [Theory]
    [InlineData("polling")]
    [InlineData("websocket")]
    [InlineData(Upgrading)]
    public async Task Bytes_reach_the_other_members_of_all_rooms_of_the_connection(string transports)
    {
        byte[] bytes = [.. Enumerable.Range(0, 3000).Select(i => (byte)i)];
        await using var ann = await JoinAsync("ann", transports);
        await using var bob = await JoinAsync("bob", transports);
        await using var eve = await host.ConnectAsync(node, "eve", "", transports.Split(','));
        await ann.IsOkAsync("join:room", _room + "-2");
        await eve.IsOkAsync("join:room", _room + "-2");

        var answer = await ann.IsOkAsync("binary", NodeSocket.Bytes(bytes));
        Assert.Equal(2, answer.GetProperty("rooms").GetInt32());
        foreach (var (socket, room) in new[] { (bob, _room), (eve, _room + "-2") })
        {
            var args = await socket.NextAsync("binary");
            Assert.Equal(bytes, NodeSocket.ToBytes(args[0]));
            Assert.Equal("ann", args[1].GetProperty("from").GetString());
            Assert.Equal(room, args[1].GetProperty("roomId").GetString());
        }

        // The sender's own bytes would have come before this.
        await ann.IsOkAsync("message", new { roomId = _room, message = "after" });
        await ann.NextAsync("message:new");
        Assert.Equal(0, ann.Count("binary"));
    }

    [Theory]
    [InlineData("polling")]
    [InlineData("websocket")]
    public async Task A_message_may_have_bytes_anywhere_in_it(string transport)
    {
        await using var ann = await JoinAsync("ann", transport);
        await using var bob = await JoinAsync("bob", transport);
        byte[][] parts = [[0, 1, 2, 255], [], [.. Enumerable.Repeat((byte)7, 500)]];
        await ann.IsOkAsync("message", new
        {
            roomId = _room,
            message = new { name = "parts", first = NodeSocket.Bytes(parts[0]), more = new[] { NodeSocket.Bytes(parts[1]), NodeSocket.Bytes(parts[2]) } },
        });
        var message = (await bob.NextAsync("message:new"))[0].GetProperty("message");
        Assert.Equal("parts", message.GetProperty("name").GetString());
        Assert.Equal(parts[0], NodeSocket.ToBytes(message.GetProperty("first")));
        Assert.Equal(parts[1..], message.GetProperty("more").EnumerateArray().Select(NodeSocket.ToBytes));

        await ann.IsOkAsync("message", new { roomId = _room, message = NodeSocket.Bytes(parts[2]) });
        Assert.Equal(parts[2], NodeSocket.ToBytes((await bob.NextAsync("message:new"))[0].GetProperty("message")));
    }

    [Fact]
    public async Task Clients_of_all_transports_see_the_messages_of_a_room_in_one_order()
    {
        ITransport[] transports =
        [
            new SocketIoTransport(node, "websocket"), new SocketIoTransport(node, "polling"), new SignalRTransport(messagePack: false), new SignalRTransport(messagePack: true), new SseTransport(),
        ];
        var clients = new List<ITransportClient>();
        for (int i = 0; i < transports.Length; i++)
        {
            clients.Add(await transports[i].JoinAsync(host.Address, await host.Host.TokenAsync($"user-{i}"), _room));
        }

        const int each = 20;
        await Task.WhenAll(clients.Select((client, c) => Task.WhenAll(Enumerable.Range(0, each).Select(i => client.SendAsync($"{c}-{i}")))));
        var seen = new List<List<(string? Text, string? From)>>();
        foreach (var client in clients)
        {
            var texts = new List<(string?, string?)>();
            for (int i = 1; i <= each * clients.Count; i++)
            {
                var received = await client.NextAsync();
                Assert.Equal(i, received.Offset);
                texts.Add((received.Text, received.Body.GetProperty("from").GetString()));
            }

            seen.Add(texts);
        }

        Assert.All(seen, texts => Assert.Equal(seen[0], texts));
        foreach (var client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task Two_tabs_of_a_user_are_one_member_and_both_get_everything()
    {
        await using var watcher = await JoinAsync("watcher");
        await using var first = await JoinAsync("ann");
        await using (await JoinAsync("ann"))
        {
            var presence = await watcher.IsOkAsync("presence", _room);
            Assert.Equal(2, presence.GetProperty("members").GetInt32());
            Assert.Equal(3, presence.GetProperty("connections").GetInt32());
        }

        await using var second = await JoinAsync("ann");
        await watcher.IsOkAsync("message", new { roomId = _room, message = "to both" });
        await watcher.IsOkAsync("direct:message", new { userId = "ann", message = _room });
        foreach (var tab in new[] { first, second })
        {
            Assert.Equal("to both", (await tab.NextAsync("message:new"))[0].GetProperty("message").GetString());
            Assert.Equal(_room, (await tab.NextAsync("direct:message"))[0].GetProperty("message").GetString());
        }

        // One tab's end is not the member's; the other's is.
        await first.DisconnectAsync();
        await Eventually.True("one connection of ann is left", async () =>
            (await watcher.IsOkAsync("presence", new { roomId = _room })).GetProperty("connections").GetInt32() == 2);
        await second.DisconnectAsync();
        var left = await watcher.NextAsync("user:left");
        Assert.Equal("ann", left[0].GetString());
        Assert.Equal(_room, left[1].GetProperty("roomId").GetString());
        Assert.Equal(1, left[1].GetProperty("members").GetInt32());
        Assert.Equal(0, watcher.Count("user:left"));
    }

    [Theory]
    [InlineData("polling")]
    [InlineData("websocket")]
    public async Task A_request_that_is_too_large_costs_the_connection_and_the_client_comes_back(string transport)
    {
        await using var socket = await node.ConnectAsync(new()
        {
            Server = host.Address,
            Token = await host.Host.TokenAsync("ann"),
            Transports = [transport],
            Reconnection = true,
        });
        await socket.SendAsync("message", new { roomId = _room, message = new string('x', 1_100_000) });
        await socket.NextAsync("@disconnect");
        await socket.ConnectedAsync();
        Assert.Equal("received", (await socket.EmitAsync("request")).Status());
    }

    async Task<NodeSocket> JoinAsync(string user, string transports = "websocket")
    {
        var socket = await host.ConnectAsync(node, user, "", transports.Split(','));
        await socket.IsOkAsync("join:room", _room);
        return socket;
    }
}
