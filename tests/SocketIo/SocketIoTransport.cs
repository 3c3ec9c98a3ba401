using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>socket.io-client, by one of its transports. It resumes with the cursor of <c>join:room</c>, as a page that was loaded anew would.</summary>
sealed class SocketIoTransport(NodeClients node, string transport) : ITransport
{
    public async Task<ITransportClient> JoinAsync(Uri server, string token, string room, string? cursor = null)
    {
        var socket = await node.ConnectAsync(new() { Server = server, Token = token, Transports = [transport] });
        var client = new Client(socket, room);
        await client.StartAsync(cursor);
        return client;
    }

    /// <summary>A hand-written client: the real one reads all the time.</summary>
    public async Task<IStalledClient> JoinStalledAsync(Uri server, string token, string room) =>
        transport == "polling" ? await StalledPolling.JoinAsync(server, token, room) : await StalledWebSocket.JoinAsync(server, token, room);

    /// <summary>What other transports would have brought in place of this event; null for what they have no word for.</summary>
    /// <param name="epoch">Of the room's log.</param>
    public static Received? ToReceived(string @event, IReadOnlyList<JsonElement> args, string? epoch)
    {
        switch (@event)
        {
            case "message:new":
                var message = args[0];
                string cursor = $"{epoch}:{message.GetProperty("offset").GetInt64()}";
                return Of("message", cursor, Common(message).With("room", message, "roomId").With("event", "message").With("data", message, "message"));
            case "direct:message":
                return Of("direct", null, Common(args[0]).With("data", args[0], "message"));
            case "notification":
                return Of("notification", null, Common(args[1]).With("event", args[1], "event").With("data", args[0]));
            case "user:joined" or "user:left":
                var joined = new JsonArray();
                var left = new JsonArray();
                (@event == "user:joined" ? joined : left).Add(args[0].GetString());
                return Of("presence", null, new JsonObject { ["joined"] = joined, ["left"] = left }.With("members", args[1], "members"));
            case "gap" or "closing":
                return new(@event, args[0], null);
            default:
                return null;
        }
    }

    static Received Of(string kind, string? cursor, JsonObject body) => new(kind, JsonSerializer.SerializeToElement(body), cursor);

    static JsonObject Common(JsonElement message) =>
        new JsonObject().With("from", message, "from").With("time", message, "timestamp").With("offset", message, "offset").With("messageId", message, "messageId");

    sealed class Client(NodeSocket socket, string room) : ITransportClient
    {
        string? _epoch;

        public bool Recovered { get; private set; }

        public async Task StartAsync(string? cursor)
        {
            var joined = await socket.EmitAsync("join:room", cursor is null ? room : new { roomId = room, cursor });
            Assert.Equal("ok", joined.GetProperty("status").GetString());
            Recovered = joined.GetProperty("recovered").GetBoolean();
            _epoch = joined.GetProperty("epoch").GetString();
        }

        public async Task<long> SendAsync(string text, string? messageId = null)
        {
            var kept = await socket.EmitAsync("message", messageId is null ? new { roomId = room, message = text } : new { roomId = room, message = text, messageId });
            return kept.TryGetProperty("offset", out var offset) ? offset.GetInt64() : throw new InvalidOperationException($"Refused: {kept}");
        }

        public async Task<Received> NextAsync(string kind = "message")
        {
            string name = kind switch
            {
                "message" => "message:new",
                "direct" => "direct:message",
                "presence" => await socket.FirstOfAsync("user:joined", "user:left"),
                _ => kind,
            };
            return ToReceived(name, await socket.NextAsync(name), _epoch)!;
        }

        public async Task<string?> ClosedAsync()
        {
            await socket.NextAsync("@disconnect");
            return (await socket.NextAsync("closing"))[0].GetProperty("reason").GetString();
        }

        public ValueTask DisposeAsync() => socket.DisposeAsync();
    }
}

static class Bodies
{
    public static JsonObject With(this JsonObject body, string name, JsonElement of, string property) =>
        of.TryGetProperty(property, out var value) ? body.With(name, value) : body;

    public static JsonObject With(this JsonObject body, string name, JsonElement value)
    {
        body[name] = JsonSerializer.SerializeToNode(value);
        return body;
    }
}
