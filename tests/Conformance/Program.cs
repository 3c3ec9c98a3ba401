// What the public test suites of the protocols expect of a server, by the public extension points. docs/conformance.md says how to run them.
using System.Text.Json;
using OrleansRealtime.Gateway.EngineIo;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Hosting;

var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, EnvironmentName = Environments.Development });
builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
{
    ["urls"] = "http://localhost:3000",
    ["Realtime:Store:DataFolder"] = ":memory:",
    ["Realtime:Cors:Origins:0"] = "*",
    ["Realtime:SocketIo:PingInterval"] = "00:00:00.300",
    ["Realtime:SocketIo:PingTimeout"] = "00:00:00.200",
    ["Realtime:SocketIo:ConnectTimeout"] = "00:00:01",
    ["Realtime:SocketIo:Recovery"] = "false",
});
builder.Configuration.AddCommandLine(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.UseWebSocketHandover());
builder.AddEmbeddedSilo();
builder.AddRealtimeGateway(events =>
{
    events.Use(async (context, next) =>
    {
        // The suites send tokens that are none.
        context.SignIn("suite");
        await next(context);
    });
    foreach (string ns in (string[])["/", "/custom"])
    {
        events.Namespace(ns)
            .OnConnected((context, auth) =>
            {
                context.Connection!.Emit("auth", auth.Get<JsonElement>(0));
                return Task.CompletedTask;
            })
            .On("message", (context, data) =>
            {
                context.Connection!.Emit("message-back", data);
                return Task.FromResult<EventData?>(null);
            })
            .On("message-with-ack", (_, data) => Task.FromResult<EventData?>(data));
    }
});

var app = builder.Build();
app.MapRealtimeGateway();
app.MapEngineIo(
    "/engine.io/",
    new EngineIoOptions { PingInterval = TimeSpan.FromMilliseconds(300), PingTimeout = TimeSpan.FromMilliseconds(200) },
    session => new Echo(session));
await app.RunAsync();

/// <summary>Sends back what it gets.</summary>
sealed class Echo(EngineSession session) : IEngineClient
{
    public ValueTask OnMessageAsync(ReadOnlyMemory<byte> data, bool binary, IClientRequest request)
    {
        session.MarkInUse();

        // A client that polls posts first and fetches afterwards: it is not to wait for itself. The data is only lent.
        _ = SendAsync(data.ToArray(), binary);
        return default;
    }

    public void OnTick(long now)
    {
    }

    public void OnClosed()
    {
    }

    async Task SendAsync(byte[] data, bool binary)
    {
        try
        {
            await session.SendAsync(data, binary);
        }
        catch (IOException)
        {
            // The client has gone.
        }
    }
}
