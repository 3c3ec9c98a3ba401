using System.Net.WebSockets;
using System.Text;

namespace OrleansRealtime.Tests.EngineIo;

/// <summary>A WebSocket that speaks Engine.IO by hand.</summary>
sealed class RawSocket : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    readonly ClientWebSocket _socket = new();
    readonly byte[] _buffer = new byte[2 << 20];

    static CancellationToken Token => TestContext.Current.CancellationToken;

    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    public static async Task<RawSocket> OpenAsync(Uri server, bool compress = false, string query = "")
    {
        var raw = new RawSocket();
        if (compress)
        {
            raw._socket.Options.DangerousDeflateOptions = new();
            raw._socket.Options.CollectHttpResponseDetails = true;
        }

        await raw._socket.ConnectAsync(new Uri($"ws://{server.Authority}/socket.io/?EIO=4&transport=websocket{query}"), Token);
        return raw;
    }

    /// <summary>A header of the answer to the handshake.</summary>
    public string? Header(string name) => _socket.HttpResponseHeaders?.TryGetValue(name, out var values) == true ? string.Join(',', values) : null;

    public async Task SendAsync(params string[] packets)
    {
        foreach (string packet in packets)
        {
            await _socket.SendAsync(Encoding.UTF8.GetBytes(packet), WebSocketMessageType.Text, true, Token);
        }
    }

    public async Task SendAsync(byte[] binary) => await _socket.SendAsync(binary, WebSocketMessageType.Binary, true, Token);

    /// <summary>The next packet but pings; null where the server has closed.</summary>
    public async Task<string?> ReadAsync()
    {
        while (true)
        {
            int length = 0;
            ValueWebSocketReceiveResult result;
            do
            {
                try
                {
                    result = await _socket.ReceiveAsync(_buffer.AsMemory(length), Token).AsTask().WaitAsync(Limit, Token);
                }
                catch (WebSocketException)
                {
                    return null;
                }

                length += result.Count;
            }
            while (!result.EndOfMessage);

            if (result.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            string packet = Encoding.UTF8.GetString(_buffer, 0, length);
            if (packet == "2")
            {
                await SendAsync("3");
                continue;
            }

            return packet;
        }
    }

    /// <summary>Reads on to a packet that begins so.</summary>
    public async Task<string> ReadAsync(string start)
    {
        while (true)
        {
            string packet = await ReadAsync() ?? throw new InvalidOperationException($"Closed before '{start}'.");
            if (packet.StartsWith(start, StringComparison.Ordinal))
            {
                return packet;
            }
        }
    }

    /// <summary>Reads on until the server closes.</summary>
    public async Task ClosedAsync()
    {
        while (await ReadAsync() is not null)
        {
        }
    }

    public void Dispose() => _socket.Dispose();
}
