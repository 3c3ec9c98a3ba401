using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Events;

/// <summary>
/// Runs what the application has added. Whatever it throws becomes a <see cref="RealtimeException"/> for that caller: what it did not
/// throw on purpose is logged once, and the caller learns nothing of it.
/// </summary>
sealed partial class EventDispatcher(RealtimeEvents events, IServiceScopeFactory scopes, ILogger<EventDispatcher> logger)
{
    /// <summary>Namespaces that the application has named.</summary>
    public IReadOnlyCollection<string> Namespaces => events.NamespaceNames;

    public bool Handles(string ns, string name) => events.Find(ns)?.Find(name) is not null;

    /// <summary>The same for a transport that has demanded a token. Where there is no middleware this costs nothing.</summary>
    /// <returns>The claims that middleware has attached.</returns>
    public ValueTask<IReadOnlyList<Claim>> ConnectAsync(HttpContext http, string transport, string ns)
    {
        return events.Middleware.Count == 0 && events.Find(ns) is null or { Middleware.Count: 0 } ? new([]) : AskAsync();

        async ValueTask<IReadOnlyList<Claim>> AskAsync()
        {
            var context = new ConnectingContext(http, transport, ns, EventData.Empty, http.GetPermissions(), null);
            await ConnectAsync(context);
            return context.Claims;
        }
    }

    /// <summary>Asks all middleware whether the connection may be.</summary>
    /// <exception cref="ConnectionRejectedException">It may not.</exception>
    /// <exception cref="RealtimeException">A middleware has failed.</exception>
    public async Task ConnectAsync(ConnectingContext context)
    {
        var ofNamespace = events.Find(context.Namespace)?.Middleware ?? [];
        if (events.Middleware.Count + ofNamespace.Count == 0)
        {
            return;
        }

        bool accepted = false;
        NextMiddleware next = _ =>
        {
            accepted = true;
            return Task.CompletedTask;
        };
        foreach (var middleware in events.Middleware.Concat(ofNamespace).Reverse())
        {
            var inner = next;
            next = each => middleware(each, inner);
        }

        try
        {
            await next(context);
        }
        catch (Exception exception) when (exception is not (ConnectionRejectedException or RealtimeException)
            && !(exception is OperationCanceledException && context.Http.RequestAborted.IsCancellationRequested))
        {
            MiddlewareFailed(context.Transport, context.Namespace, exception);
            throw Failed();
        }

        if (!accepted)
        {
            throw new ConnectionRejectedException("The connection was refused.");
        }
    }

    /// <summary>Calls the handler of an event.</summary>
    /// <exception cref="RealtimeException">There is none, or it refuses, or it has failed.</exception>
    public async Task<EventData?> InvokeAsync(
        string ns, string? name, EventData data, Permissions user, ClientConnection? connection, IReadOnlyList<Claim> claims, CancellationToken aborted)
    {
        string @event = RealtimeOperations.CheckName(name, "An event name");
        if (events.Find(ns)?.Find(@event) is not { } handler)
        {
            throw new RealtimeException(RealtimeErrorCode.UnknownEvent, $"There is no event '{@event}' in the namespace '{ns}'.");
        }

        await using var scope = scopes.CreateAsyncScope();
        try
        {
            return await handler(new(@event, ns, user, connection, claims, scope.ServiceProvider, aborted), data);
        }
        catch (Exception exception) when (exception is not RealtimeException && !(exception is OperationCanceledException && aborted.IsCancellationRequested))
        {
            HandlerFailed(@event, ns, exception);
            throw Failed();
        }
    }

    /// <summary>
    /// Runs what the application has added for accepted connections. Where one of these handlers refuses or fails, the connection is closed.
    /// What the client sends is to be handled after this has completed.
    /// </summary>
    /// <param name="auth">As <see cref="ConnectingContext.Auth"/>.</param>
    public async Task ConnectedAsync(ClientConnection connection, string ns, EventData auth)
    {
        connection.IsAnnounced = true;
        if (events.Find(ns)?.Connected is not { Count: > 0 } handlers)
        {
            return;
        }

        await using var scope = scopes.CreateAsyncScope();
        var context = ContextOf(connection, ns, "connected", scope.ServiceProvider, connection.Aborted);
        try
        {
            foreach (var handler in handlers)
            {
                await handler(context, auth);
            }
        }
        catch (OperationCanceledException) when (context.Aborted.IsCancellationRequested)
        {
            // The connection has gone meanwhile.
        }
        catch (Exception exception)
        {
            if (exception is not (RealtimeException or ConnectionRejectedException))
            {
                HandlerFailed(context.Event, ns, exception);
            }

            connection.Close(CloseReason.Of(exception));
        }
    }

    /// <summary>Runs what the application has added for connections that have ended, unless <see cref="ConnectedAsync"/> was not reached.</summary>
    public async Task DisconnectedAsync(ClientConnection connection, string ns)
    {
        if (!connection.IsAnnounced || events.Find(ns)?.Disconnected is not { Count: > 0 } handlers)
        {
            return;
        }

        await using var scope = scopes.CreateAsyncScope();
        var context = ContextOf(connection, ns, "disconnected", scope.ServiceProvider, CancellationToken.None);
        foreach (var handler in handlers)
        {
            try
            {
                await handler(context);
            }
            catch (Exception exception)
            {
                HandlerFailed(context.Event, ns, exception);
            }
        }
    }

    static EventContext ContextOf(ClientConnection connection, string ns, string name, IServiceProvider services, CancellationToken aborted) =>
        new(name, ns, connection.Permissions, connection, connection.Claims, services, aborted);

    static RealtimeException Failed() => new(RealtimeErrorCode.Internal, "Something went wrong on the server.");

    [LoggerMessage(1, LogLevel.Error, "The handler of '{Name}' in '{Namespace}' failed.")]
    partial void HandlerFailed(string name, string @namespace, Exception exception);

    [LoggerMessage(2, LogLevel.Error, "A middleware failed for a connection by {Transport} to '{Namespace}'.")]
    partial void MiddlewareFailed(string transport, string @namespace, Exception exception);
}
