using System.Buffers;
using System.Net.WebSockets;
using System.Text;
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
            new FramesInTurn(this, upgraded), new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });
    }

    /// <summary>Reads the client's messages, and closes.</summary>
    protected WebSocket Socket { get; }

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events) =>
        events.Length == 1 ? _upgraded.WriteAsync(events.Span[0].Bytes) : WriteTogether(events.Span);

    /// <summary>Writes the closing frame: a status code, then the reason in UTF-8 (RFC 6455, section 5.5.1). Only from <see cref="ClientConnection.CloseAsync"/>.</summary>
    protected ValueTask WriteCloseAsync(int status, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(reason);
        return _upgraded.WriteAsync(new byte[] { 0x88, (byte)(text.Length + 2), (byte)(status >> 8), (byte)status }.Concat(text).ToArray());
    }

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

    /// <summary>The stream as the reading <see cref="WebSocket"/> sees it: it writes whole frames, and these are queued with all others.</summary>
    sealed class FramesInTurn(WebSocketConnection connection, Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            connection.SendFrame(buffer.ToArray());
            return ValueTask.CompletedTask;
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
