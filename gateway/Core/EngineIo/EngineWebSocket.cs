using System.Buffers;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>
/// The WebSocket of a session. What goes out are whole frames, written to the link as they are; what comes in is read by
/// <see cref="WebSocket"/>. Where compression has been agreed on, that one writes as well.
/// </summary>
sealed class EngineWebSocket : IDisposable
{
    /// <summary>Most messages fit.</summary>
    const int FirstBuffer = 4096;

    /// <summary>Smaller messages are not worth compressing.</summary>
    const int CompressedBytes = 1024;

    readonly WebSocketLink? _link;
    readonly HttpContext? _http;
    readonly WebSocket _socket;
    readonly int _maxPayload;
    EngineSession? _session;
    volatile bool _disposed;

    EngineWebSocket(WebSocketLink link, int maxPayload)
    {
        _link = link;
        _maxPayload = maxPayload;
        Request = link.Request;
        _socket = link.CreateReader(frame => _session?.SendFrame(frame));
    }

    EngineWebSocket(HttpContext http, WebSocket compressing, int maxPayload)
    {
        _http = http;
        _socket = compressing;
        _maxPayload = maxPayload;
        Request = new LiveRequest(http);
    }

    /// <summary>The request that it began with.</summary>
    public IClientRequest Request { get; }

    /// <summary>Answers a request for a WebSocket with 101, and serves what follows.</summary>
    /// <param name="serve">Called once, unless the client is gone; perhaps when the request is over. It does not throw.</param>
    public static async Task AcceptAsync(HttpContext http, EngineIoOptions options, Func<EngineWebSocket, Task> serve)
    {
        if (options.PerMessageDeflate && http.WebSockets.IsWebSocketRequest)
        {
            await http.LightenAsync();
            var accept = new WebSocketAcceptContext { DangerousEnableCompression = true, KeepAliveInterval = TimeSpan.Zero };
            await serve(new(http, await http.WebSockets.AcceptWebSocketAsync(accept), options.MaxPayload));
            return;
        }

        await WebSocketLink.AcceptAsync(http, link => serve(new(link, options.MaxPayload)));
    }

    /// <summary>From here on the session writes to it.</summary>
    public void Attach(EngineSession session) => _session = session;

    /// <summary>Writes frames. One write at a time.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> frames) => _link?.WriteAsync(frames) ?? CompressAsync(frames);

    /// <summary>Reads messages and hands them to the session, until one side closes.</summary>
    public async Task ReadAsync(EngineSession session)
    {
        try
        {
            while (await ReceiveAsync(session))
            {
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException or ConnectionAbortedException)
        {
            // The client is gone, which is how connections end.
        }
    }

    /// <summary>Says goodbye. One write at a time.</summary>
    public async ValueTask CloseAsync(WebSocketCloseStatus status, string reason)
    {
        if (_link is not null)
        {
            await _link.WriteAsync(WebSocketFrame.Close((int)status, reason));
        }
        else if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
        {
            await _socket.CloseOutputAsync(status, reason, CancellationToken.None);
        }
    }

    /// <summary>Cuts it off.</summary>
    public void Abort()
    {
        if (!_disposed)
        {
            _link?.Abort();
            _http?.Abort();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        _socket.Dispose();
    }

    /// <summary>False where nothing more comes.</summary>
    async ValueTask<bool> ReceiveAsync(EngineSession session)
    {
        // Nothing is held for a client that is silent.
        var result = await _socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
        int length = 0;
        try
        {
            while (result.MessageType != WebSocketMessageType.Close && !result.EndOfMessage)
            {
                if (length == buffer.Length)
                {
                    buffer = Grow(buffer, length);
                }

                result = await _socket.ReceiveAsync(buffer.AsMemory(length), CancellationToken.None);
                length += result.Count;
                if (length > _maxPayload)
                {
                    await session.CloseAsync(WebSocketCloseStatus.MessageTooBig, $"A message may have at most {_maxPayload} bytes.");
                    return false;
                }
            }

            if (result.MessageType != WebSocketMessageType.Close)
            {
                return await session.ReceiveAsync(this, buffer.AsMemory(0, length), result.MessageType == WebSocketMessageType.Binary);
            }

            if (_socket.State == WebSocketState.CloseReceived)
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            }

            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Twice the buffer with what it has; the smaller one goes back to the pool.</summary>
    internal static byte[] Grow(byte[] buffer, int length)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    async ValueTask CompressAsync(ReadOnlyMemory<byte> frames)
    {
        while (WebSocketFrame.TryTake(ref frames, out bool binary, out var payload))
        {
            await _socket.SendAsync(
                payload,
                binary ? WebSocketMessageType.Binary : WebSocketMessageType.Text,
                WebSocketMessageFlags.EndOfMessage | (payload.Length < CompressedBytes ? WebSocketMessageFlags.DisableCompression : WebSocketMessageFlags.None),
                CancellationToken.None);
        }
    }
}
