using System.Diagnostics.CodeAnalysis;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Events;

/// <summary>What comes after a middleware.</summary>
public delegate Task NextMiddleware(ConnectingContext context);

/// <summary>
/// Sees every connection before it is accepted, whatever its transport; a REST call counts as a connection that lasts for the call. It
/// may look at it, attach claims, say who it is, or refuse it with <see cref="ConnectingContext.Reject"/>. Without a call of
/// <paramref name="next"/> the connection is refused.
/// </summary>
public delegate Task ConnectionMiddleware(ConnectingContext context, NextMiddleware next);

/// <summary>A connection that asks to be accepted.</summary>
public sealed class ConnectingContext
{
    readonly List<Claim> _claims = [];

    internal ConnectingContext(HttpContext http, string transport, string ns, EventData auth, Permissions? user, RealtimeException? authenticationError)
    {
        Http = http;
        Transport = transport;
        Namespace = ns;
        Auth = auth;
        User = user;
        AuthenticationError = authenticationError;
    }

    /// <summary>The request that brought the connection: headers, query, address, services.</summary>
    public HttpContext Http { get; }

    /// <summary><c>signalr</c>, <c>sse</c>, <c>socketio</c> or <c>rest</c>.</summary>
    public string Transport { get; }

    public string Namespace { get; }

    /// <summary>What the client sent with its connection: the <c>auth</c> of a Socket.IO client, as the one argument. Empty for other transports.</summary>
    public EventData Auth { get; }

    /// <summary>Who it is, as the token says or <see cref="SignIn"/> has said. Null: nobody yet, which is decided after all middleware.</summary>
    public Permissions? User { get; private set; }

    /// <summary>What was wrong with the token, where there was one that is no good.</summary>
    public RealtimeException? AuthenticationError { get; }

    /// <summary>What has been attached; handlers find it at <see cref="EventContext.Claims"/>.</summary>
    public IReadOnlyList<Claim> Claims => _claims;

    /// <summary>Attaches a claim for the life of the connection.</summary>
    public void AddClaim(string type, string value) => _claims.Add(new(type, value));

    /// <summary>Says who it is, in place of a token, on a transport that has not demanded one before (Socket.IO). The connection does not expire.</summary>
    /// <param name="userId">1 to 128 bytes of UTF-8 without control characters.</param>
    /// <exception cref="InvalidOperationException">The transport has demanded a token, which says who it is.</exception>
    public void SignIn(string userId) => User = Transport is "signalr" or "sse" or "rest"
        ? throw new InvalidOperationException($"A connection by {Transport} is signed in by its token; middleware cannot sign it in as another user.")
        : Permissions.Guest(userId, Http.RequestServices.GetRequiredService<IOptions<NamespaceOptions>>().Value);

    /// <summary>Refuses the connection. The client gets both: a Socket.IO client in its <c>connect_error</c>, others in the error's text or body.</summary>
    /// <param name="message">A sentence for the client.</param>
    /// <param name="data">Anything that JSON can hold.</param>
    [DoesNotReturn]
    public static void Reject(string message, object? data = null) => throw new ConnectionRejectedException(message, data);
}

/// <summary>A middleware has refused a connection.</summary>
/// <param name="data">For the client; null for nothing.</param>
public sealed class ConnectionRejectedException(string message, object? data = null) : Exception(message)
{
    /// <summary>What the client gets besides the message.</summary>
    public object? RejectionData { get; } = data;

    /// <summary>Both in one line, for transports whose errors are a text.</summary>
    internal string MessageWithData =>
        RejectionData is null ? Message : $"{Message} {JsonSerializer.Serialize(RejectionData, EventSerializer.DefaultOptions)}";

    /// <summary>RFC 9457 problem details with the extensions <c>code</c> and, where there is some, <c>data</c>.</summary>
    internal ProblemDetails ToProblem()
    {
        var problem = new RealtimeException(RealtimeErrorCode.Rejected, Message).ToProblem();
        if (RejectionData is not null)
        {
            problem.Extensions["data"] = JsonSerializer.SerializeToElement(RejectionData, EventSerializer.DefaultOptions);
        }

        return problem;
    }
}
