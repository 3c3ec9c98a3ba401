using System.Text.Json;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>An embedded server with an application's middleware and handlers, for Socket.IO clients.</summary>
public sealed class SocketIoHost : IAsyncLifetime
{
    public const string Origin = "https://chat.example";

    internal EmbeddedHost Host { get; private set; } = null!;

    internal Uri Address => Host.Address;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        Configure, null, ("Realtime:Namespaces:Names:0", "/listed"), ("Realtime:Cors:Origins:0", Origin));

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    /// <summary>Socket of a user with a token; the query may ask for roles, rooms or a lifetime.</summary>
    internal async Task<NodeSocket> ConnectAsync(NodeClients node, string user, string query = "", params string[] transports) =>
        await node.ConnectAsync(new()
        {
            Server = Address,
            Token = await Host.TokenAsync(user, query),
            Transports = transports is [] ? ["websocket"] : transports,
        });

    static void Configure(RealtimeEvents events)
    {
        events.Use(async (context, next) =>
        {
            var auth = context.Auth.Count > 0 ? context.Auth.Get<JsonElement>(0) : default;
            if (auth.ValueKind == JsonValueKind.Object && auth.TryGetProperty("refuse", out _))
            {
                ConnectingContext.Reject("Not today", new { code = 7, until = "tomorrow" });
            }

            if (auth.ValueKind == JsonValueKind.Object && auth.TryGetProperty("color", out var color))
            {
                context.AddClaim("color", color.GetString()!);
            }

            await next(context);
        });
        events.Default
            .On("several", (_, data) => Task.FromResult<EventData?>(EventData.Of("one", data.Count, data.Get<byte[]>(1))))
            .On<JsonElement, object>("color", (context, _) => Task.FromResult<object>(new { color = context.Claims.Single(c => c.Type == "color").Value }))
            .On<JsonElement>("fail", (_, _) => throw new InvalidOperationException("a secret of the server"))
            .On("ask", async (context, data) =>
            {
                context.Connection!.Emit("about-to-ask", "first", new byte[] { 1, 2 });
                var answer = await context.Connection.RequestAsync("question", TimeSpan.FromSeconds(data.Get<double>(0)), context.Aborted, "how many?", 3);
                return EventData.Of(answer.Count, answer.Get<JsonElement>(0));
            })
            .On<Order, object>("order", (context, order) => Task.FromResult<object>(new { context.UserId, order.Count }));
        events.Default.OnConnected((context, auth) =>
        {
            if (auth.Count > 0 && auth.Get<JsonElement>(0) is { ValueKind: JsonValueKind.Object } json && json.TryGetProperty("greet", out var name))
            {
                context.Connection!.Emit("welcome", name);
            }

            return Task.CompletedTask;
        });
        events.Namespace("/coded")
            .Use(async (context, next) =>
            {
                if (context.User is null)
                {
                    ConnectingContext.Reject("Only with a token");
                }

                await next(context);
            })
            .On("where", (context, _) => Task.FromResult<EventData?>(EventData.Of(context.Namespace)));
    }

    internal sealed record Order(int Count);
}
