using System.Buffers;
using System.Net.WebSockets;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>
/// A connection over a WebSocket. What goes out are whole frames: an event's frame is made once for all connections and goes to the
/// link as it is, several of them together. What comes in is read by <see cref="WebSocket"/>, whose own frames
/// (pongs, the closing handshake) take their turn in the same queue.
/// </summary>
abstract class WebSocketConnection : ClientConnection
{
    readonly WebSocketLink _link;

    protected WebSocketConnection(
        string id, string transport, WebSocketLink link, Permissions permissions, GatewayOptions options, ILogger logger)
        : base(id, transport, permissions, options, logger)
    {
        _link = link;
        Socket = link.CreateReader(SendFrame);
    }

    /// <summary>Reads the client's messages, and closes.</summary>
    protected WebSocket Socket { get; }

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events) =>
        events.Length == 1 ? _link.WriteAsync(events.Span[0].Bytes) : WriteTogether(events.Span);

    /// <summary>Writes the closing frame. Only from <see cref="ClientConnection.CloseAsync"/>.</summary>
    protected ValueTask WriteCloseAsync(int status, string reason) => _link.WriteAsync(WebSocketFrame.Close(status, reason));

    protected override void Abort() => _link.Abort();

    ValueTask WriteTogether(ReadOnlySpan<Outbound> events)
    {
        byte[] together = RentTogether(events, out int length);
        var write = _link.WriteAsync(together.AsMemory(0, length));
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
