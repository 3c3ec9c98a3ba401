using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>
/// A WebSocket that has a connection of Kestrel's to itself. What is written goes to the socket at once, on the writer's thread: there is no other thread to wake, and
/// nothing is copied. Only what the kernel does not take for now is waited for.
/// </summary>
sealed class ConnectionLink : WebSocketLink
{
    readonly ConnectionContext _connection;
    readonly Socket? _socket;

    public ConnectionLink(ConnectionContext connection, IClientRequest request)
    {
        _connection = connection;
        _socket = connection.Features.Get<IConnectionSocketFeature>()?.Socket;
        _socket?.Blocking = false;
        Request = request;
        Input = connection.Transport.Input.AsStream(leaveOpen: true);
    }

    protected override Stream Input { get; }

    public override IClientRequest Request { get; }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> frames)
    {
        if (_socket is null)
        {
            return WriteToOutputAsync(frames);
        }

        try
        {
            int sent = _socket.Send(frames.Span, SocketFlags.None, out var error);
            return error switch
            {
                SocketError.Success when sent == frames.Length => default,
                SocketError.Success or SocketError.WouldBlock => SendAsync(_socket, frames[sent..]),
                _ => ValueTask.FromException(Gone(new SocketException((int)error))),
            };
        }
        catch (ObjectDisposedException exception)
        {
            return ValueTask.FromException(Gone(exception));
        }
    }

    public override void Abort() => _connection.Abort(new ConnectionAbortedException("The connection was ended by the gateway."));

    static IOException Gone(Exception? exception = null) => new("The connection is gone.", exception);

    static async ValueTask SendAsync(Socket socket, ReadOnlyMemory<byte> rest)
    {
        try
        {
            while (!rest.IsEmpty)
            {
                rest = rest[await socket.SendAsync(rest)..];
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            throw Gone(exception);
        }
    }

    async ValueTask WriteToOutputAsync(ReadOnlyMemory<byte> frames)
    {
        if ((await _connection.Transport.Output.WriteAsync(frames)).IsCompleted)
        {
            throw Gone();
        }
    }
}
