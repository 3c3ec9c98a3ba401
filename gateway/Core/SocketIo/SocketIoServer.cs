using System.Security.Claims;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>Lets Socket.IO clients into namespaces: who they are, whether they may, and whether they go on where they were.</summary>
sealed partial class SocketIoServer(
    SocketIoEvents socketIoEvents,
    RealtimeOperations operations,
    EventDispatcher handlers,
    ClientConnections connections,
    TokenValidation tokens,
    IOptions<SocketIoOptions> options,
    IOptions<GatewayOptions> gateway,
    IOptions<NamespaceOptions> namespaces,
    GuestAccess guests,
    TimeProvider time,
    ILogger<SocketIoConnection> logger)
{
    /// <summary>What the guide's clients expect a refused token to be called.</summary>
    const string AuthenticationFailed = "Authentication failed";

    readonly HashSet<string> _known = [RoomName.DefaultNamespace, .. namespaces.Value.AdminNames, .. namespaces.Value.Names, .. handlers.Namespaces];
    readonly bool _anyNamespace = namespaces.Value.Names.Contains("*");

    public SocketIoOptions Options => options.Value;

    public SocketIoEvents Events => socketIoEvents;

    /// <summary>
    /// A client asks to be let into a namespace. It is answered, whatever happens. Completes when the request is no longer needed; the inner task when all is done.
    /// </summary>
    public async Task<Task> BeginConnectAsync(SocketIoClient client, string ns, EventData authData, HttpContext http)
    {
        Identified? identified = null;
        await AnsweringAsync(client, ns, async () => identified = await IdentifyAsync(client, ns, authData, http));
        return identified is null ? Task.CompletedTask : AnsweringAsync(client, ns, () => EnterAsync(client, ns, identified, authData));
    }

    async Task AnsweringAsync(SocketIoClient client, string ns, Func<Task> connect)
    {
        try
        {
            await connect();
        }
        catch (ConnectionRejectedException rejection)
        {
            Refuse(client, ns, rejection.Message, rejection.RejectionData);
        }
        catch (RealtimeException error) when (error.Code == RealtimeErrorCode.Unavailable && client.IsConnectedNowhere)
        {
            // A client that is refused does not come back by itself; one whose link is lost does.
            _ = client.Engine.CloseAsync();
        }
        catch (RealtimeException error)
        {
            Refuse(client, ns, error.Code == RealtimeErrorCode.Unauthenticated ? AuthenticationFailed : error.Message, ErrorData.Of(error));
        }
        catch (OperationCanceledException)
        {
            // The client has gone.
        }
        catch (Exception exception)
        {
            ConnectFailed(ns, exception);
            var error = new RealtimeException(RealtimeErrorCode.Internal, "Something went wrong on the server.");
            Refuse(client, ns, error.Message, ErrorData.Of(error));
        }
    }

    /// <summary>Answers with CONNECT_ERROR.</summary>
    public static void Refuse(SocketIoClient client, string ns, string message, object? data)
    {
        string error = data is null
            ? JsonSerializer.Serialize(new { message }, EventSerializer.DefaultOptions)
            : JsonSerializer.Serialize(new { message, data }, EventSerializer.DefaultOptions);
        _ = client.Engine.TryWriteAsync(new SocketIoText(Encoding.UTF8.GetBytes(ns == RoomName.DefaultNamespace ? $"44{error}" : $"44{ns},{error}")));
    }

    /// <summary>A connection is over, whoever has ended it.</summary>
    public void End(SocketIoConnection connection)
    {
        connection.Forget();
        connections.Remove(connection);
        LocalChannels.End(connection);
        _ = handlers.DisconnectedAsync(connection, connection.Namespace);
    }

    /// <summary>Who it is: by the token of this namespace, by that of the client's first request, or as middleware or the settings for guests say.</summary>
    async Task<Identified> IdentifyAsync(SocketIoClient client, string ns, EventData authData, HttpContext http)
    {
        if (!_known.Contains(ns) && !(_anyNamespace && RoomName.TryParseNamespace(ns, out _)))
        {
            throw new ConnectionRejectedException("Invalid namespace");
        }

        connections.ThrowIfShuttingDown();
        var handshake = ReadAuth(authData);
        SocketIoPosition? position = null;
        string secret = Options.Recovery
            && SocketIoPosition.TryParse(JsonText.Read(handshake.Pid), JsonText.Read(handshake.Offset), gateway.Value.MaxRoomsPerConnection + 2, out position)
                ? position.Secret
                : SocketIoPosition.NewSecret();
        var (user, error) = handshake.Token.ValueKind == JsonValueKind.Undefined
            ? (client.Engine.Identity.User, client.Engine.Identity.Error)
            : await tokens.ValidateAsync(JsonText.Read(handshake.Token), http.RequestAborted);
        if (user is not null && user.ExpiresAt <= time.GetUtcNow())
        {
            (user, error) = (null, TokenErrors.Expired);
        }

        var context = new ConnectingContext(http, "socketio", ns, authData, user, error);
        await handlers.ConnectAsync(context);
        user = context.User
            ?? (error is null && guests.Allowed && handshake.Token.ValueKind == JsonValueKind.Undefined ? GuestOf(secret) : throw error ?? TokenErrors.NoToken);
        return user.MayUseNamespace(ns)
            ? new(user, context.Claims, secret, position)
            : throw new RealtimeException(RealtimeErrorCode.NotAllowed, $"The token does not allow the namespace '{ns}'.");
    }

    internal static ConnectAuth ReadAuth(EventData authData)
    {
        try
        {
            return JsonSerializer.Deserialize(authData[0].Span, SocketIoJson.Default.ConnectAuth)!;
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "The auth data is not an object that can be read.", exception);
        }
    }

    Permissions GuestOf(string secret) => Permissions.WithoutToken("guest-" + SocketIoPosition.SidOf(secret), namespaces.Value, isGuest: true);

    /// <summary>The channels of a client that comes back, and its places in them. Null where it was somebody else, where it may not be in one of them any more, or where one has lost something since.</summary>
    async Task<List<(ChannelId Channel, Cursor Position)>?> ResumableAsync(string ns, Permissions user, SocketIoPosition position)
    {
        if (!position.IsOf(user.UserId))
        {
            return null;
        }

        var places = new List<(ChannelId Channel, Cursor Position)>();
        foreach (var channel in ChannelsOf(ns, user))
        {
            if (position.Find(channel) is not { } cursor)
            {
                return null;
            }

            places.Add((channel, cursor));
        }

        foreach (var (cursor, room) in position.Entries)
        {
            if (room is null)
            {
                continue;
            }

            if (!RoomName.TryParse($"{ns}:{room}", out var name, out _) || !user.MayJoin(name) || !Epoch.Belongs(cursor.Epoch, ChannelId.Room(name)))
            {
                return null;
            }

            places.Add((ChannelId.Room(name), cursor));
        }

        bool[] reach = await Task.WhenAll(places.Select(p => operations.ReachesBackAsync(p.Channel, p.Position, CancellationToken.None)));
        return Array.TrueForAll(reach, r => r) ? places : null;
    }

    /// <summary>What every connection gets unasked: the namespace's broadcasts, and in the default one the inbox.</summary>
    static ChannelId[] ChannelsOf(string ns, Permissions user) => ns == RoomName.DefaultNamespace
        ? [ChannelId.Namespace(ns), ChannelId.User(user.UserId)]
        : [ChannelId.Namespace(ns)];

    async Task EnterAsync(SocketIoClient client, string ns, Identified identified, EventData authData)
    {
        var (user, claims, secret, position) = identified;
        var places = position is null ? null : await ResumableAsync(ns, user, position);
        if (position is not null && places is null)
        {
            // Something is missing: it begins anew, under another name.
            secret = SocketIoPosition.NewSecret();
            user = user.IsGuest ? GuestOf(secret) : user;
        }

        string sid = SocketIoPosition.SidOf(secret);
        var connection = new SocketIoConnection(sid, ns, client, user, Options, gateway.Value, logger) { Claims = claims };

        // The same client, come back before its former connection was found to be dead.
        (connections.Find(sid) as SocketIoConnection)?.Supersede();
        connections.Add(connection);
        if (!client.Add(connection))
        {
            End(connection);
            return;
        }

        try
        {
            await (places is null ? BeginAsync(connection, secret) : ResumeAsync(connection, position!, places));
        }
        catch
        {
            client.Drop(connection);
            throw;
        }

        await handlers.ConnectedAsync(connection, ns, authData);
        connection.Settle();
    }

    /// <summary>A new session: it is told who it is, and then gets what waits in the inbox.</summary>
    async Task BeginAsync(SocketIoConnection connection, string secret)
    {
        var start = new List<Cursor>();
        Cursor? inbox = null;
        foreach (var channel in ChannelsOf(connection.Namespace, connection.Permissions))
        {
            if (channel.Kind == ChannelKind.User && !connection.Permissions.IsGuest)
            {
                inbox = await operations.InboxStartAsync(connection.UserId, CancellationToken.None);
                start.Add(inbox.Value);
            }
            else
            {
                start.Add((await operations.FollowAsync(connection, channel, null, CancellationToken.None)).Position);
            }
        }

        Answer(connection, secret, SocketIoPosition.PidOf(secret, connection.UserId, start));
        if (inbox is { } cursor)
        {
            await operations.ResumeAsync(connection, ChannelId.User(connection.UserId), cursor, CancellationToken.None);
        }
    }

    /// <summary>A session that goes on: the client is sent what it missed, and then that it is who it was.</summary>
    async Task ResumeAsync(SocketIoConnection connection, SocketIoPosition position, List<(ChannelId Channel, Cursor Position)> places)
    {
        connection.StartAt(places);
        bool complete = true;
        foreach (var (channel, cursor) in places)
        {
            complete &= (await operations.FollowAsync(connection, channel, cursor, CancellationToken.None)).Recovered;
        }

        if (!complete)
        {
            // Something has been lost since it was looked at. The client comes back, and is then told so from the start.
            throw new RealtimeException(RealtimeErrorCode.Unavailable, "The session could not be recovered. Try again.");
        }

        Answer(connection, position.Secret, position.Pid);
        connection.Resumed();
    }

    void Answer(SocketIoConnection connection, string secret, string pid) => connection.SendPacket(
        "40"u8,
        JsonSerializer.SerializeToUtf8Bytes(new ConnectAnswer(SocketIoPosition.SidOf(secret), Options.Recovery ? pid : null), SocketIoJson.Default.ConnectAnswer));

    [LoggerMessage(1, LogLevel.Error, "A Socket.IO client could not be let into '{Namespace}'.")]
    partial void ConnectFailed(string @namespace, Exception exception);
}

/// <param name="Secret">Of the session that the client wants to go on with, or of a new one.</param>
/// <param name="Position">Null for a new session.</param>
sealed record Identified(Permissions User, IReadOnlyList<Claim> Claims, string Secret, SocketIoPosition? Position);
