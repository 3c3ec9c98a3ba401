using System.Text.Json;
using System.Threading.Channels;
using SocketIOClient.Transport;
using Socket = SocketIOClient.SocketIO;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>The client for .NET of the package SocketIOClient, by both transports.</summary>
public sealed class DotNetClientTests(SocketIoHost host) : IClassFixture<SocketIoHost>
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData(TransportProtocol.WebSocket, false)]
    [InlineData(TransportProtocol.Polling, false)]
    [InlineData(TransportProtocol.Polling, true)]
    public async Task Members_send_text_and_bytes_and_are_acknowledged(TransportProtocol transport, bool upgrade)
    {
        using var ann = await ConnectAsync("ann", transport, upgrade);
        using var bob = await ConnectAsync("bob", transport, upgrade);
        var messages = Channel.CreateUnbounded<JsonElement>();
        var binary = Channel.CreateUnbounded<(byte[] Bytes, JsonElement Info)>();
        bob.On("message:new", response => messages.Writer.TryWrite(response.GetValue<JsonElement>()));
        bob.On("binary", response => binary.Writer.TryWrite((response.GetValue<byte[]>(), response.GetValue<JsonElement>(1))));
        foreach (var client in new[] { ann, bob })
        {
            Assert.Equal(_room, (await AskAsync(client, "join:room", _room)).GetProperty("room").GetString());
        }

        const int count = 20;
        for (int i = 1; i <= count; i++)
        {
            var kept = await AskAsync(ann, "message", new { roomId = _room, message = new { number = i } });
            Assert.Equal(i, kept.GetProperty("offset").GetInt64());
        }

        // This client runs each handler on a thread of its own, so what comes one after the other may be seen in another order.
        var numbers = new SortedDictionary<long, int>();
        for (int i = 1; i <= count; i++)
        {
            var message = await NextAsync(messages);
            numbers.Add(message.GetProperty("offset").GetInt64(), message.GetProperty("message").GetProperty("number").GetInt32());
            Assert.Equal("ann", message.GetProperty("from").GetString());
        }

        Assert.Equal(Enumerable.Range(1, count), numbers.Values);

        byte[] bytes = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
        Assert.Equal(1, (await AskAsync(ann, "binary", bytes)).GetProperty("rooms").GetInt32());
        var (came, info) = await NextAsync(binary);
        Assert.Equal(bytes, came);
        Assert.Equal(_room, info.GetProperty("roomId").GetString());
        Assert.Equal("""{"status":"received"}""", (await AskAsync(ann, "request")).GetRawText());
        await ann.DisconnectAsync();
        await bob.DisconnectAsync();
    }

    [Theory]
    [InlineData(TransportProtocol.WebSocket)]
    [InlineData(TransportProtocol.Polling)]
    public async Task A_bad_token_is_an_error_of_the_client(TransportProtocol transport)
    {
        using var client = new Socket(host.Address, new() { Auth = new { token = "nonsense" }, Transport = transport, AutoUpgrade = false, Reconnection = false });
        var error = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        client.OnError += (_, message) => error.TrySetResult(message);
        await client.ConnectAsync();
        Assert.Equal("Authentication failed", await error.Task.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.False(client.Connected);
    }

    async Task<Socket> ConnectAsync(string user, TransportProtocol transport, bool upgrade)
    {
        var client = new Socket(host.Address, new()
        {
            Auth = new { token = await host.Host.TokenAsync(user) },
            Transport = transport,
            AutoUpgrade = upgrade,
            Reconnection = false,
        });
        var connected = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        client.OnConnected += (_, _) => connected.TrySetResult();
        await client.ConnectAsync();
        await connected.Task.WaitAsync(Limit, TestContext.Current.CancellationToken);
        return client;
    }

    static async Task<JsonElement> AskAsync(Socket client, string @event, params object[] args)
    {
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        await client.EmitAsync(@event, response => answer.TrySetResult(response.GetValue<JsonElement>()), args);
        return await answer.Task.WaitAsync(Limit, TestContext.Current.CancellationToken);
    }

    static Task<T> NextAsync<T>(Channel<T> channel) =>
        channel.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Limit);
}
