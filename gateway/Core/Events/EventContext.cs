using System.Security.Claims;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

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

    /// <summary>Cancelled when the connection is gone; never for a handler of its end.</summary>
    public CancellationToken Aborted { get; }
}
