using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>
/// Accepts WebSockets at the hub's path. A client that has negotiated first is accepted by any gateway: there is nothing on the one
/// that it negotiated with that it needs, so WebSocket clients need no sticky sessions. Other transports of SignalR are SignalR's own.
/// </summary>
sealed class HubWebSockets(
    HubConnectionHandler<RealtimeHub> hub, IOptions<GatewayOptions> options, TimeProvider time, ILogger<HubWebSocket> logger) : BackgroundService
{
    /// <summary>How often SignalR's timers run, as under its own transports.</summary>
    static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(1);

    readonly ConcurrentDictionary<HubWebSocket, byte> _sockets = new();

    public async Task ServeAsync(HttpContext http)
    {
        var permissions = http.GetPermissions();
        var upgraded = await WebSocketHandshake.AcceptAsync(http);
        var socket = new HubWebSocket(Guid.NewGuid().ToString("n"), http, upgraded, permissions, options.Value, logger);
        _sockets[socket] = 0;
        var reading = socket.ReadAsync();
        try
        {
            await hub.OnConnectedAsync(socket.Context);
        }
        finally
        {
            _sockets.TryRemove(socket, out _);
            await socket.EndAsync(options.Value.CloseTimeout);
            await reading;
            await socket.DisposeAsync();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TickPeriod, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                foreach (var socket in _sockets.Keys)
                {
                    socket.Tick();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The gateway stops.
        }
    }
}
