using System.Collections.Concurrent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>
/// Accepts WebSockets at the hub's path. A client that has negotiated first is accepted by any gateway: there is nothing on the one
/// that it negotiated with that it needs, so WebSocket clients need no sticky sessions. Other transports of SignalR are SignalR's own.
/// </summary>
sealed class HubWebSockets(
    HubConnectionHandler<RealtimeHub> hub,
    ClientConnections connections,
    EventDispatcher events,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<HubWebSocket> logger)
    : PeriodicService(HubWebSockets.TickPeriod, time)
{
    /// <summary>How often SignalR's timers run, as under its own transports.</summary>
    static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(1);

    readonly ConcurrentDictionary<HubWebSocket, byte> _sockets = new();

    public async Task ServeAsync(HttpContext http)
    {
        connections.ThrowIfShuttingDown();
        var permissions = http.GetPermissions();
        await WebSocketLink.AcceptAsync(http, link => link.Request.UseAsync(request => ServeAsync(link, request, permissions)));
    }

    async Task ServeAsync(WebSocketLink link, HttpContext http, Permissions permissions)
    {
        var socket = new HubWebSocket(Guid.NewGuid().ToString("n"), link, http, permissions, options.Value, logger);
        _sockets[socket] = 0;
        var reading = socket.ReadAsync();
        try
        {
            await hub.OnConnectedAsync(socket.Context);
        }
        finally
        {
            _sockets.TryRemove(socket, out _);
            await socket.EndAsync(reading, options.Value.CloseTimeout);
            LocalChannels.End(socket);
            await reading;
            await socket.DisposeAsync();
            await events.DisconnectedAsync(socket, RoomName.DefaultNamespace);
        }
    }

    protected override Task RunOnceAsync()
    {
        foreach (var socket in _sockets.Keys)
        {
            socket.Tick();
        }

        return Task.CompletedTask;
    }
}
