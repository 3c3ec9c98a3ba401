using System.Buffers;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>
/// A connection over a WebSocket. What goes out are whole frames: an event's frame is made once for all connections and is copied
/// straight into Kestrel's output, several of them with one flush. What comes in is read by <see cref="WebSocket"/>, whose own frames
/// (pongs, the closing handshake) take their turn in the same queue.
/// </summary>
abstract class WebSocketConnection : ClientConnection
{
    readonly HttpContext _http;
    readonly Stream _upgraded;

    protected WebSocketConnection(
        string id, string transport, HttpContext http, Stream upgraded, Permissions permissions, GatewayOptions options, ILogger logger)
        : base(id, transport, permissions, options, logger)
    {
        _http = http;
        _upgraded = upgraded;
        Socket = WebSocket.CreateFromStream(
            new FramesInTurn(upgraded, SendFrame), new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });
    }

    /// <summary>Reads the client's messages, and closes.</summary>
    protected WebSocket Socket { get; }

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events) =>
        events.Length == 1 ? _upgraded.WriteAsync(events.Span[0].Bytes) : WriteTogether(events.Span);

    /// <summary>Writes the closing frame. Only from <see cref="ClientConnection.CloseAsync"/>.</summary>
    protected ValueTask WriteCloseAsync(int status, string reason) => _upgraded.WriteAsync(WebSocketFrame.Close(status, reason));

    protected override void Abort() => _http.Abort();

    ValueTask WriteTogether(ReadOnlySpan<Outbound> events)
    {
        byte[] together = RentTogether(events, out int length);
        var write = _upgraded.WriteAsync(together.AsMemory(0, length));
        if (!write.IsCompletedSuccessfully)
        {
            return ReturnAfterAsync(write, together);
        }

        ArrayPool<byte>.Shared.Return(together);
        return ValueTask.CompletedTask;
    }

    static async ValueTask ReturnAfterAsync(ValueTask write, byte[] buffer)
    {
        await write;
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
