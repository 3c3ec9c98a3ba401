using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>What a socket of socket.io-client says of itself.</summary>
/// <param name="Pid">With <paramref name="Offset"/>: what it sends when it comes back.</param>
/// <param name="Active">Whether it connects by itself when it is not connected.</param>
/// <param name="Transport"><c>polling</c> or <c>websocket</c>.</param>
/// <param name="Connection">The id of the connection below it, which all namespaces share.</param>
sealed record NodeSocketState(string? Id, string? Pid, string? Offset, bool Connected, bool Active, bool Recovered, string? Transport, string? Connection);

/// <summary>One socket of socket.io-client, in the process of <see cref="NodeClients"/>.</summary>
/// <param name="listener">Is given what <see cref="NextAsync"/> is not asked for: everything but <c>@connect</c> and <c>@connect_error</c>. Null: nobody.</param>
sealed class NodeSocket(NodeClients node, string name, Action<string, JsonElement[]>? listener) : IAsyncDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    readonly ConcurrentDictionary<string, Channel<JsonElement[]>> _events = new();

    public string Name => name;

    /// <summary>The arguments of the next event of that name. Names that begin with <c>@</c> are the client's own: <c>@connect</c>, <c>@disconnect</c>.</summary>
    public async Task<JsonElement[]> NextAsync(string @event)
    {
        try
        {
            return await Events(@event).Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"No '{@event}' within {Limit.TotalSeconds} s. There are: {string.Join(", ", _events.Select(e => $"{e.Key}: {e.Value.Reader.Count}"))}.");
        }
    }

    /// <summary>Waits until there is an event of one of these names; returns the name.</summary>
    public async Task<string> FirstOfAsync(params string[] events)
    {
        await Task.WhenAny(events.Select(e => Events(e).Reader.WaitToReadAsync(TestContext.Current.CancellationToken).AsTask())).WaitAsync(Limit);
        return events.First(e => Events(e).Reader.Count > 0);
    }

    /// <summary>How many events of that name have come and have not been taken.</summary>
    public int Count(string @event) => Events(@event).Reader.Count;

    /// <summary>Completes when the socket has connected; once for each time it does.</summary>
    public async Task<NodeSocketState> ConnectedAsync()
    {
        // A client that reconnects by itself is refused as long as nobody is there.
        while (await FirstOfAsync("@connect", "@connect_error") == "@connect_error")
        {
            var error = (await NextAsync("@connect_error"))[0];
            Assert.True(error.GetProperty("active").GetBoolean(), $"The connection was refused: {error}");
        }

        return (await NextAsync("@connect"))[0].Deserialize<NodeSocketState>(Json)!;
    }

    /// <summary>Emits and returns the first argument of the acknowledgement.</summary>
    public async Task<JsonElement> EmitAsync(string @event, params object?[] args) => (await EmitForAllAsync(@event, args))[0];

    /// <summary>Emits and returns all arguments of the acknowledgement.</summary>
    public async Task<JsonElement[]> EmitForAllAsync(string @event, params object?[] args) =>
        [.. (await RequestAsync("emit", @event, args, r => r["timeout"] = Limit.TotalMilliseconds)).EnumerateArray()];

    /// <summary>Emits without asking for an acknowledgement.</summary>
    public Task SendAsync(string @event, params object?[] args) => RequestAsync("emit", @event, args);

    /// <summary>From now on the server's event of that name is acknowledged with these arguments.</summary>
    public Task AnswerAsync(string @event, params object?[] args) => RequestAsync("answer", @event, args);

    public async Task<NodeSocketState> StateAsync() => (await RequestAsync("state")).Deserialize<NodeSocketState>(Json)!;

    /// <summary>What the next connection says: <c>socket.auth = …</c>.</summary>
    public Task SetAuthAsync(object auth) => RequestAsync("auth", r => r["auth"] = JsonSerializer.SerializeToNode(auth));

    /// <summary><c>socket.connect()</c></summary>
    public Task ConnectAsync() => RequestAsync("connect");

    /// <summary><c>socket.disconnect()</c></summary>
    public Task DisconnectAsync() => RequestAsync("disconnect");

    /// <summary>Ends the connection below the socket, which is not the socket's wish.</summary>
    public Task CutAsync() => RequestAsync("cut");

    /// <summary>The next connections of a gated socket wait again.</summary>
    public Task HoldAsync() => RequestAsync("hold");

    public Task ReleaseAsync() => RequestAsync("release");

    /// <summary>Ends it, and the driver forgets it. May be called again.</summary>
    public Task CloseAsync() => RequestAsync("close");

    public async ValueTask DisposeAsync() => await CloseAsync();

    /// <summary>Binary data as an argument.</summary>
    public static object Bytes(byte[] bytes) => new Dictionary<string, string> { ["$bytes"] = Convert.ToBase64String(bytes) };

    /// <summary>The binary data that an argument is; fails where it is not.</summary>
    public static byte[] ToBytes(JsonElement argument) => argument.GetProperty("$bytes").GetBytesFromBase64();

    public void Add(string @event, JsonElement[] args)
    {
        if (listener is not null && @event is not ("@connect" or "@connect_error"))
        {
            listener(@event, args);
        }
        else
        {
            Events(@event).Writer.TryWrite(args);
        }
    }

    Channel<JsonElement[]> Events(string @event) => _events.GetOrAdd(@event, _ => Channel.CreateUnbounded<JsonElement[]>());

    Task<JsonElement> RequestAsync(string op, string @event, object?[] args, Action<JsonObject>? more = null) => RequestAsync(op, request =>
    {
        request["event"] = @event;
        request["args"] = JsonSerializer.SerializeToNode(args);
        more?.Invoke(request);
    });

    Task<JsonElement> RequestAsync(string op, Action<JsonObject>? more = null)
    {
        var request = new JsonObject { ["op"] = op, ["socket"] = name };
        more?.Invoke(request);
        return node.RequestAsync(request);
    }
}
