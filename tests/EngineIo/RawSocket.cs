using System.Net.WebSockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace OrleansRealtime.Tests.EngineIo;

/// <summary>A WebSocket that speaks Engine.IO by hand.</summary>
sealed class RawSocket : IDisposable
{
    const string Ping = "2";

    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    readonly ClientWebSocket _socket = new();
    readonly byte[] _buffer = new byte[2 << 20];

    static CancellationToken Token => TestContext.Current.CancellationToken;

    public WebSocketCloseStatus? CloseStatus => _socket.CloseStatus;

    /// <param name="trusted">The server's certificate, where it has one.</param>
    public static async Task<RawSocket> OpenAsync(
        Uri server, bool compress = false, string query = "", X509Certificate2? trusted = null, params (string Name, string Value)[] headers)
    {
        var raw = new RawSocket();
        foreach (var (name, value) in headers)
        {
            raw._socket.Options.SetRequestHeader(name, value);
        }

        if (trusted is not null)
        {
            raw._socket.Options.RemoteCertificateValidationCallback = (_, shown, _, _) => shown?.GetCertHashString() == trusted.GetCertHashString();
        }

        if (compress)
        {
            raw._socket.Options.DangerousDeflateOptions = new();
            raw._socket.Options.CollectHttpResponseDetails = true;
        }

        await raw._socket.ConnectAsync(new Uri($"{(trusted is null ? "ws" : "wss")}://{server.Authority}/socket.io/?EIO=4&transport=websocket{query}"), Token);
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
        string? packet;
        while ((packet = await ReadAnyAsync()) == Ping)
        {
        }

        return packet;
    }

    /// <summary>The next ping; what comes before it is passed over. Null where the server has closed.</summary>
    public async Task<string?> ReadPingAsync()
    {
        string? packet;
        while ((packet = await ReadAnyAsync()) is not (null or Ping))
        {
        }

        return packet;
    }

    /// <summary>The next packet; a ping is answered.</summary>
    async Task<string?> ReadAnyAsync()
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
        if (packet == Ping)
        {
            await SendAsync("3");
        }

        return packet;
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
