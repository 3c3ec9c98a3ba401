using System.Security.Claims;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Events;

/// <summary>Who has sent an event, and where to.</summary>
public sealed class EventContext
{
    /// <param name="connection">Null for a REST call.</param>
    internal EventContext(
        string @event, string ns, Permissions user, ClientConnection? connection, IReadOnlyList<Claim> claims, IServiceProvider services, CancellationToken aborted)
    {
        Event = @event;
        Namespace = ns;
        User = user;
        Connection = connection;
        Claims = claims;
        Services = services;
        Aborted = aborted;
    }

    /// <summary>The event's name.</summary>
    public string Event { get; }

    public string Namespace { get; }

    /// <summary>The sender, and what the token allows.</summary>
    public Permissions User { get; }

    public string UserId => User.UserId;

    /// <summary>The connection it came by; null where it came by a REST call, which has none.</summary>
    public ClientConnection? Connection { get; }

    /// <summary>What middleware attached when the connection was accepted.</summary>
    public IReadOnlyList<Claim> Claims { get; }

    /// <summary>Services, in a scope of this call's own.</summary>
    public IServiceProvider Services { get; }

    /// <summary>Brings the connection into a room, as if the client had joined it: the token must allow it.</summary>
    /// <param name="room">One of this namespace, such as <c>general</c>; or of any, such as <c>/admin:alerts</c>.</param>
    /// <exception cref="RealtimeException">It may not, or the sender has no connection that could be in a room.</exception>
    public Task<JoinResult> JoinAsync(string room) =>
        Services.GetRequiredService<RealtimeOperations>().JoinAsync(TwoWayConnection(), Qualify(room), null, Aborted);

    /// <summary>Takes the connection out of a room.</summary>
    /// <exception cref="RealtimeException">It is not in the room.</exception>
    public void Leave(string room) => RealtimeOperations.Leave(TwoWayConnection(), Qualify(room));

    /// <summary>Cancelled when the connection is gone; never for a handler of its end.</summary>
    public CancellationToken Aborted { get; }

    ClientConnection TwoWayConnection() => Connection is { IsTwoWay: true } connection
        ? connection
        : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, $"'{Event}' is for connections that can be in rooms, such as SignalR's and Socket.IO's.");

    string Qualify(string room) => Namespace == RoomName.DefaultNamespace || room.StartsWith('/') ? room : $"{Namespace}:{room}";
}
