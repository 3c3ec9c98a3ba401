using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SignalR;

/// <summary>The .NET SignalR client, with one of its protocols.</summary>
sealed class SignalRTransport(bool messagePack) : ITransport
{
    static readonly string[] s_kinds = ["message", "direct", "notification", "presence", "gap", "closing"];

    public async Task<ITransportClient> JoinAsync(Uri server, string token, string room, string? cursor = null)
    {
        var client = new Client(Build(server, token), room);
        await client.StartAsync(cursor);
        return client;
    }

    /// <summary>A raw WebSocket: the real client reads all the time.</summary>
    public async Task<IStalledClient> JoinStalledAsync(Uri server, string token, string room)
    {
        var socket = new ClientWebSocket();
        await socket.ConnectAsync(
            new Uri($"ws://{server.Authority}/hub?access_token={token}"), TestContext.Current.CancellationToken);
        await SendTextAsync(socket, "{\"protocol\":\"json\",\"version\":1}\u001e");
        await SendTextAsync(socket, $"{{\"type\":1,\"invocationId\":\"j\",\"target\":\"Join\",\"arguments\":[\"{room}\"]}}\u001e");
        var stalled = new Stalled(socket);
        await stalled.ReadUntilAsync(text => text.Contains("\"invocationId\":\"j\"", StringComparison.Ordinal));
        return stalled;
    }

    public HubConnection Build(Uri server, string token)
    {
        var builder = new HubConnectionBuilder().WithUrl(HubOf(server), http =>
        {
            http.AccessTokenProvider = () => Task.FromResult<string?>(token);
            http.SkipNegotiation = true;
            http.Transports = HttpTransportType.WebSockets;
        });
        if (messagePack)
        {
            builder.AddMessagePackProtocol();
        }

        return builder.Build();
    }

    /// <summary>A client of SignalR's own transport for where there are no WebSockets.</summary>
    public static HubConnection BuildLongPolling(Uri server, string token) => new HubConnectionBuilder()
        .WithUrl(HubOf(server), http =>
        {
            http.AccessTokenProvider = () => Task.FromResult<string?>(token);
            http.Transports = HttpTransportType.LongPolling;
        })
        .Build();

    /// <summary>The hub of a server; a query goes along.</summary>
    static Uri HubOf(Uri server) => new(server, "/hub" + server.Query);

    /// <summary>What came, as JSON, whichever the protocol.</summary>
    public static JsonElement ToJson(object? value) => value is JsonElement json ? json : JsonSerializer.SerializeToElement(Plain(value));

    static async Task SendTextAsync(ClientWebSocket socket, string text) => await socket.SendAsync(
        Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken);

    /// <summary>MessagePack's maps have keys of any type; ours are names.</summary>
    static object? Plain(object? value) => value switch
    {
        IDictionary<object, object> map => map.ToDictionary(e => (string)e.Key, e => Plain(e.Value)),
        object[] list => list.Select(Plain).ToArray(),
        _ => value,
    };

    sealed class Client : ITransportClient
    {
        readonly HubConnection _hub;
        readonly string _room;
        readonly ReceivedQueue _received = new();
        readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Client(HubConnection hub, string room)
        {
            (_hub, _room) = (hub, room);
            foreach (string kind in s_kinds)
            {
                hub.On<object>(kind, body =>
                {
                    var json = ToJson(body);
                    _received.Add(new(kind, json, json.TryGetProperty("cursor", out var cursor) ? cursor.GetString() : null));
                });
            }

            hub.Closed += _ =>
            {
                _closed.TrySetResult();
                return Task.CompletedTask;
            };
        }

        public bool Recovered { get; private set; }

        public async Task StartAsync(string? cursor)
        {
            await _hub.StartAsync(TestContext.Current.CancellationToken);
            var result = ToJson(await (cursor is null ? _hub.InvokeAsync<object>("Join", _room) : _hub.InvokeAsync<object>("Join", _room, cursor)));
            Recovered = result.GetProperty("recovered").GetBoolean();
        }

        public async Task<long> SendAsync(string text, string? messageId = null) =>
            ToJson(await _hub.InvokeAsync<object>("Send", _room, "message", text, messageId)).GetProperty("offset").GetInt64();

        public Task<Received> NextAsync(string kind = "message") => _received.NextAsync(kind);

        public async Task<string?> ClosedAsync()
        {
            await _closed.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

            // The client raises Closed without waiting for the handlers of what came before.
            return (await _received.NextAsync("closing")).Body.GetProperty("reason").GetString();
        }

        public ValueTask DisposeAsync() => _hub.DisposeAsync();
    }

    sealed class Stalled(ClientWebSocket socket) : IStalledClient
    {
        readonly byte[] _buffer = new byte[64 << 10];

        public async Task ReadUntilAsync(Func<string, bool> condition)
        {
            while (!condition(Encoding.UTF8.GetString(await ReadAsync())))
            {
            }
        }

        public async Task<IReadOnlyList<Received>> ResumeAsync()
        {
            var all = new MemoryStream();
            try
            {
                while (await ReadAsync() is { Length: > 0 } some)
                {
                    all.Write(some);
                }
            }
            catch (WebSocketException)
            {
                // Cut off by the server: what came before counts.
            }

            return
            [
                .. Encoding.UTF8.GetString(all.ToArray()).Split('\u001e', StringSplitOptions.RemoveEmptyEntries)
                    .Where(text => text.EndsWith('}'))
                    .Select(text => JsonDocument.Parse(text).RootElement)
                    .Where(message => message.GetProperty("type").GetInt32() == 1)
                    .Select(message => new Received(message.GetProperty("target").GetString()!, message.GetProperty("arguments")[0], null)),
            ];
        }

        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            return ValueTask.CompletedTask;
        }

        async Task<byte[]> ReadAsync()
        {
            var result = await socket.ReceiveAsync(_buffer, TestContext.Current.CancellationToken);
            return _buffer[..result.Count];
        }
    }
}
