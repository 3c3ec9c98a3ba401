using System.Net;
using System.Net.Sockets;
using OrleansRealtime.Client;
using OrleansRealtime.Tests.Cluster.Clients;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>Clients as an application would make them, with short waits and a network that can be taken away.</summary>
sealed class TestClients : IAsyncDisposable
{
    public static readonly BackoffOptions Soon = new()
    {
        First = TimeSpan.FromMilliseconds(50),
        Longest = TimeSpan.FromMilliseconds(200),
        Jitter = TimeSpan.FromMilliseconds(10),
        Attempts = 1000,
    };

    readonly List<RealtimeClient> _clients = [];

    /// <summary>A client that has not connected yet.</summary>
    public RealtimeClient Create(RealtimeClientOptions options)
    {
        var client = new RealtimeClient(options);
        _clients.Add(client);
        return client;
    }

    public RealtimeClient Create(Uri address, string token, Network? network = null) =>
        Create(new() { Url = address, Token = token, Backoff = Soon, MessageHandler = network?.Handler });

    public async Task<RealtimeClient> ConnectAsync(Uri address, string token, Network? network = null)
    {
        var client = Create(address, token, network);
        await client.ConnectAsync(TestContext.Current.CancellationToken);
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }
    }
}

/// <summary>A client's network: it can be cut, and leads to one gateway or another.</summary>
sealed class Network : IDisposable
{
    readonly CuttableSockets _sockets;
    volatile bool _isDown;

    public Network() => _sockets = new(address =>
        _isDown ? throw new SocketException((int)SocketError.NetworkUnreachable) : Port is { } port ? new IPEndPoint(IPAddress.Loopback, port) : address);

    public HttpMessageHandler Handler => _sockets.Handler;

    /// <summary>Where connections lead, whatever their address says; null for that.</summary>
    public int? Port { get; set; }

    public void GoDown()
    {
        _isDown = true;
        _sockets.Cut();
    }

    public void ComeBack() => _isDown = false;

    public void Dispose() => _sockets.Dispose();
}
