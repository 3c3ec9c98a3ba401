using System.Net;
using System.Net.Sockets;

namespace OrleansRealtime.Hosting;

static class FreePort
{
    /// <summary>A TCP port of the loopback interface that is free at the moment.</summary>
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
