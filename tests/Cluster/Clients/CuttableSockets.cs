using System.Net;
using System.Net.Sockets;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>Opens TCP connections that can be cut, as by a network that fails: nobody says goodbye.</summary>
sealed class CuttableSockets : IDisposable
{
    static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(3);

    readonly List<Socket> _sockets = [];

    /// <param name="route">Where a connection leads, or that it fails; where its address says by default.</param>
    public CuttableSockets(Func<EndPoint, EndPoint>? route = null)
    {
        Handler = new()
        {
            ConnectTimeout = ConnectLimit,
            ConnectCallback = async (context, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(route?.Invoke(context.DnsEndPoint) ?? context.DnsEndPoint, cancellationToken);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }

                lock (_sockets)
                {
                    _sockets.Add(socket);
                }

                return new NetworkStream(socket, ownsSocket: true);
            },
        };
    }

    public SocketsHttpHandler Handler { get; }

    /// <summary>Resets all connections that are open.</summary>
    public void Cut()
    {
        lock (_sockets)
        {
            foreach (var socket in _sockets)
            {
                // Without lingering a close is a reset (SO_LINGER, socket(7)).
                try
                {
                    socket.LingerState = new(true, 0);
                }
                catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
                {
                    // It has ended by itself.
                }

                socket.Dispose();
            }

            _sockets.Clear();
        }
    }

    public void Dispose()
    {
        Cut();
        Handler.Dispose();
    }
}
