using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Events;

/// <summary>
/// What the application adds to the gateway, once for all transports: connection middleware, and handlers of events. Set up at the start
/// (<c>builder.AddRealtimeGateway(events =&gt; …)</c>) and not changed after it.
/// </summary>
public sealed class RealtimeEvents
{
    readonly Dictionary<string, NamespaceEvents> _namespaces = [];
    readonly List<ConnectionMiddleware> _middleware = [];

    /// <summary>Middleware for all namespaces; it runs before that of the namespace, in the order in which it was added.</summary>
    public RealtimeEvents Use(ConnectionMiddleware middleware)
    {
        _middleware.Add(middleware);
        return this;
    }

    /// <summary>A namespace's own middleware and handlers. To name it makes it known: Socket.IO clients may connect to it.</summary>
    /// <param name="name">For example <c>/admin</c>.</param>
    /// <exception cref="ArgumentException">It is not the name of a namespace.</exception>
    public NamespaceEvents Namespace(string name)
    {
        if (!RoomName.TryParseNamespace(name, out string? error))
        {
            throw new ArgumentException(error, nameof(name));
        }

        return _namespaces.TryGetValue(name, out var known) ? known : _namespaces[name] = new();
    }

    /// <summary>Handlers of the default namespace.</summary>
    public NamespaceEvents Default => Namespace(RoomName.DefaultNamespace);

    internal IReadOnlyCollection<string> NamespaceNames => _namespaces.Keys;

    internal IReadOnlyList<ConnectionMiddleware> Middleware => _middleware;

    internal NamespaceEvents? Find(string ns) => _namespaces.GetValueOrDefault(ns);
}

/// <summary>Answers an event. What it returns goes back to the caller as the acknowledgement: several arguments to a Socket.IO client, the first one to others.</summary>
public delegate Task<EventData?> EventFunction(EventContext context, EventData data);

/// <summary>The middleware and the handlers of one namespace.</summary>
public sealed class NamespaceEvents
{
    readonly Dictionary<string, EventFunction> _handlers = [];
    readonly List<ConnectionMiddleware> _middleware = [];
    readonly List<Func<EventContext, EventData, Task>> _connected = [];
    readonly List<Func<EventContext, Task>> _disconnected = [];

    /// <summary>Middleware of this namespace alone.</summary>
    public NamespaceEvents Use(ConnectionMiddleware middleware)
    {
        _middleware.Add(middleware);
        return this;
    }

    /// <summary>
    /// Runs after a connection has been accepted and before anything that the client sends is handled, so it cannot wait for the client's
    /// answer to a request. The data is what the client sent with the connection (<see cref="ConnectingContext.Auth"/>). Where it throws,
    /// the connection is closed: as <c>rejected</c> by a <see cref="Operations.RealtimeException"/>, as <c>failed</c> by all else.
    /// </summary>
    public NamespaceEvents OnConnected(Func<EventContext, EventData, Task> handler)
    {
        _connected.Add(handler);
        return this;
    }

    /// <summary>Runs after a connection has ended.</summary>
    public NamespaceEvents OnDisconnected(Func<EventContext, Task> handler)
    {
        _disconnected.Add(handler);
        return this;
    }

    /// <summary>Handles an event as it came, with all its arguments.</summary>
    /// <exception cref="ArgumentException">There is a handler for it already, or the name is not one.</exception>
    public NamespaceEvents On(string name, EventFunction handler)
    {
        if (!RoomName.TryCheckName(name, "An event name", out string? error))
        {
            throw new ArgumentException(error, nameof(name));
        }

        return _handlers.TryAdd(name, handler) ? this : throw new ArgumentException($"The event '{name}' has a handler already.", nameof(name));
    }

    /// <summary>Handles an event whose first argument is of a type; one that is not is refused before the handler is called.</summary>
    public NamespaceEvents On<TData>(string name, Func<EventContext, TData, Task> handler) => On(name, async (context, data) =>
    {
        await handler(context, EventArgument.Read<TData>(context, data));
        return null;
    });

    /// <summary>The same with a result, which the caller gets as the acknowledgement.</summary>
    public NamespaceEvents On<TData, TResult>(string name, Func<EventContext, TData, Task<TResult>> handler) => On(name, async (context, data) =>
        EventData.Of(await handler(context, EventArgument.Read<TData>(context, data))));

    internal IReadOnlyList<ConnectionMiddleware> Middleware => _middleware;

    internal IReadOnlyList<Func<EventContext, EventData, Task>> Connected => _connected;

    internal IReadOnlyList<Func<EventContext, Task>> Disconnected => _disconnected;

    internal EventFunction? Find(string name) => _handlers.GetValueOrDefault(name);
}
