using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>
/// Where SignalR hands out its connections: each is a <see cref="HubWebSocket"/> already or becomes a <see cref="SignalRConnection"/>, which the hub finds among its features.
/// What is sent through <c>Clients</c> goes SignalR's own way; the hub does not use it.
/// </summary>
sealed class RealtimeHubLifetimeManager(
    ClientConnections connections,
    EventDispatcher events,
    TokenValidation tokens,
    IOptions<GatewayOptions> options,
    ILogger<SignalRConnection> connectionLogger,
    ILogger<DefaultHubLifetimeManager<RealtimeHub>> logger)
    : DefaultHubLifetimeManager<RealtimeHub>(logger)
{
    public override async Task OnConnectedAsync(HubConnectionContext connection)
    {
        ClientConnection client;
        if (connection.Features.Get<HubWebSocket>() is { } socket)
        {
            socket.Use(connection.Protocol);
            client = socket;
        }
        else
        {
            var (permissions, error) = tokens.Read(connection.User);
            client = new SignalRConnection(connection, permissions ?? throw new HubException(error!.Text), options.Value, connectionLogger);
        }

        connection.Features.Set(client);
        connections.Add(client);
        await base.OnConnectedAsync(connection);
    }

    /// <summary>The hub has ended. A <see cref="HubWebSocket"/> has still to say goodbye, and is ended after that by who serves it.</summary>
    public override async Task OnDisconnectedAsync(HubConnectionContext connection)
    {
        if (connection.Features.Get<ClientConnection>() is { } client)
        {
            connections.Remove(client);
            if (client is not HubWebSocket)
            {
                LocalChannels.End(client);
                await events.DisconnectedAsync(client, RoomName.DefaultNamespace);
            }
        }

        await base.OnDisconnectedAsync(connection);
    }
}
