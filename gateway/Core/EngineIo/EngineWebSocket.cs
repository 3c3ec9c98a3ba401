using System.Buffers;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>
/// The WebSocket of a session. What goes out are whole frames, written straight into Kestrel's output; what comes in is read by
/// <see cref="WebSocket"/>. Where compression has been agreed on, that one writes as well.
/// </summary>
sealed class EngineWebSocket : IDisposable
{
    /// <summary>Most messages fit.</summary>
    const int FirstBuffer = 4096;

    /// <summary>Smaller messages are not worth compressing.</summary>
    const int CompressedBytes = 1024;

    readonly HttpContext _http;
    readonly Stream? _upgraded;
    readonly WebSocket _socket;
    readonly int _maxPayload;
    EngineSession? _session;
    volatile bool _disposed;

    EngineWebSocket(HttpContext http, Stream upgraded, int maxPayload)
    {
        _http = http;
        _upgraded = upgraded;
        _maxPayload = maxPayload;
        _socket = WebSocket.CreateFromStream(
            new FramesInTurn(upgraded, frame => _session?.SendFrame(frame)), new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });
    }

    EngineWebSocket(HttpContext http, WebSocket compressing, int maxPayload)
    {
        _http = http;
        _socket = compressing;
        _maxPayload = maxPayload;
    }

    /// <summary>The request that it began with; alive as long as it is.</summary>
    public HttpContext Http => _http;

    public static async Task<EngineWebSocket> AcceptAsync(HttpContext http, EngineIoOptions options)
    {
        if (options.PerMessageDeflate && http.WebSockets.IsWebSocketRequest)
        {
            var accept = new WebSocketAcceptContext { DangerousEnableCompression = true, KeepAliveInterval = TimeSpan.Zero };
            return new(http, await http.WebSockets.AcceptWebSocketAsync(accept), options.MaxPayload);
        }

        return new(http, await WebSocketHandshake.AcceptAsync(http), options.MaxPayload);
    }

    /// <summary>From here on the session writes to it.</summary>
    public void Attach(EngineSession session) => _session = session;

    /// <summary>Writes frames. One write at a time.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> frames) => _upgraded is not null ? _upgraded.WriteAsync(frames) : CompressAsync(frames);

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
        if (_upgraded is not null)
        {
            await _upgraded.WriteAsync(WebSocketFrame.Close((int)status, reason));
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
            _http.Abort();
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
