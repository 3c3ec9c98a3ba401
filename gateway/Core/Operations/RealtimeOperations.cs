using System.Security.Claims;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Jobs;
using OrleansRealtime.PubSub;
using OrleansRealtime.Rooms;
using OrleansRealtime.Users;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>
/// What clients can do, the same for every transport: names, checks and errors are here, a transport only translates. Whatever is
/// wrong with a request is thrown as a <see cref="RealtimeException"/> before anything has happened.
/// </summary>
sealed class RealtimeOperations(
    LocalChannels channels,
    Uplinks uplinks,
    ClientConnections connections,
    IClusterClient cluster,
    TokenValidation tokens,
    EventDispatcher events,
    JobOperations jobs,
    GatewayMetrics metrics,
    TimeProvider time,
    IOptions<GatewayOptions> options)
{
    /// <summary>Messages of a page where the client does not say, and at most.</summary>
    const int DefaultPage = 50, MaxPage = 500;

    /// <summary>Members that presence lists; beyond them it counts.</summary>
    const int PresenceSample = 1000;

    /// <summary>How long the cluster may take to answer before the client is told that it is unavailable.</summary>
    static readonly TimeSpan ClusterTimeout = TimeSpan.FromSeconds(15);

    // ---- Connections --------------------------------------------------------------------------------------------------

    /// <summary>Begins what a two-way connection gets unasked: notifications of the default namespace, and the user's inbox.</summary>
    public async Task StartAsync(ClientConnection connection, Cursor? inbox, Cursor? notifications, CancellationToken cancellationToken)
    {
        await ResumeAsync(connection, ChannelId.Namespace(RoomName.DefaultNamespace), notifications, cancellationToken);
        inbox ??= await InboxStartAsync(connection.UserId, cancellationToken);
        await ResumeAsync(connection, ChannelId.User(connection.UserId), inbox, cancellationToken);
    }

    /// <summary>What a stream is of: notifications, the rooms, and the inbox where wanted.</summary>
    public async Task<IReadOnlyList<ChannelId>> ParseStreamAsync(Permissions caller, IReadOnlyList<string?> rooms, bool inbox, CancellationToken cancellationToken)
    {
        var channels = new List<ChannelId> { ChannelId.Namespace(RoomName.DefaultNamespace) };
        if (rooms.Count > options.Value.MaxRoomsPerConnection)
        {
            throw TooManyRooms();
        }

        foreach (string? room in rooms)
        {
            var channel = ChannelId.Room(await CheckMayJoinAsync(caller, room, cancellationToken));
            if (!channels.Contains(channel))
            {
                channels.Add(channel);
            }
        }

        if (inbox)
        {
            channels.Add(ChannelId.User(caller.UserId));
        }

        return channels;
    }

    /// <summary>Where an inbox begins for a client that has no cursor: after what the user's connections have been handed.</summary>
    public Task<Cursor> InboxStartAsync(string user, CancellationToken cancellationToken) =>
        CallAsync(cluster.GetGrain<IUserGrain>(user).DeliveredUpTo(), cancellationToken);

    /// <summary>Whether a channel still has everything after a cursor.</summary>
    public async Task<bool> ReachesBackAsync(ChannelId channel, Cursor cursor, CancellationToken cancellationToken) =>
        (await CallAsync(cluster.GetChannel(channel).Read(new(cursor, null, 1)), cancellationToken)).Recovered;

    /// <summary>
    /// The first half of <see cref="FollowAsync"/>: from when it completes, the connection misses nothing of who comes and goes. For whoever answers the client before
    /// the messages come.
    /// </summary>
    public async Task AttachAsync(ClientConnection connection, ChannelId channel, CancellationToken cancellationToken) =>
        _ = await OrUnfollowAsync(channels.AttachAsync(connection, channel, cancellationToken), connection, channel, cancellationToken) ?? throw TooManyRooms();

    /// <summary>Begins delivery of a channel that the caller has been found to be allowed.</summary>
    public async Task<SubscribeResult> FollowAsync(ClientConnection connection, ChannelId channel, Cursor? cursor, CancellationToken cancellationToken)
    {
        var subscribing = channels.SubscribeAsync(connection, channel, CheckCursor(cursor, channel), cancellationToken);
        var result = await OrUnfollowAsync(subscribing, connection, channel, cancellationToken) ?? throw TooManyRooms();
        connection.OnFollowed(channel, result);
        return result;
    }

    static async Task<T> OrUnfollowAsync<T>(Task<T> step, ClientConnection connection, ChannelId channel, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync(step, cancellationToken);
        }
        catch (RealtimeException exception) when (exception.Code == RealtimeErrorCode.Unavailable)
        {
            Unfollow(connection, channel);
            throw;
        }
    }

    /// <summary>The same for a channel whose delivery nobody waits for: where the cursor is no good, the client is told by an event.</summary>
    public async Task ResumeAsync(ClientConnection connection, ChannelId channel, Cursor? cursor, CancellationToken cancellationToken)
    {
        var result = await FollowAsync(connection, channel, cursor, cancellationToken);
        if (!result.Recovered)
        {
            connection.Send(new(new GapDetected(channel, result.Position, "not_recovered")));
        }
    }

    public async Task<JoinResult> JoinAsync(ClientConnection connection, string? room, Cursor? cursor, CancellationToken cancellationToken)
    {
        var name = await CheckMayJoinAsync(connection.Permissions, room, cancellationToken);
        var channel = ChannelId.Room(name);
        var result = await FollowAsync(connection, channel, cursor, cancellationToken);
        return new(name.ToString(), result.Position.ToString(), result.Position.Epoch, result.Position.Offset, result.Recovered);
    }

    public static void Leave(ClientConnection connection, string? room)
    {
        var name = ParseRoom(room);
        if (!Unfollow(connection, ChannelId.Room(name)))
        {
            throw new RealtimeException(RealtimeErrorCode.NotAMember, $"This connection is not in '{name}'.");
        }
    }

    static bool Unfollow(ClientConnection connection, ChannelId channel)
    {
        if (!LocalChannels.Unsubscribe(connection, channel))
        {
            return false;
        }

        connection.OnUnfollowed(channel);
        return true;
    }

    /// <summary>Renews the connection's token, and takes it out of the rooms that the new one does not allow.</summary>
    public async Task<AuthenticateResult> AuthenticateAsync(ClientConnection connection, string? token)
    {
        var (permissions, error) = await tokens.ValidateAsync(token ?? "");
        if (permissions is null)
        {
            throw error ?? new RealtimeException(RealtimeErrorCode.Unauthenticated, "The token is not valid.");
        }

        if (permissions.UserId != connection.UserId)
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, "The token is another user's. Open a new connection for that user.");
        }

        connections.Renew(connection, permissions);
        foreach (var subscription in connection.Subscriptions)
        {
            if (subscription.Id.Kind == ChannelKind.Room && !permissions.MayJoin(RoomName.FromQualified(subscription.Id.Key)))
            {
                Unfollow(connection, subscription.Id);
            }
        }

        return new(permissions.UserId, permissions.ExpiresAt);
    }

    /// <summary>Publishes to a room the connection is in. One that has too many publications under way waits for their acknowledgements.</summary>
    public Task<PublishAcknowledgement> SendAsync(ClientConnection connection, string? room, SendRequest request) => WhenKeptAsync(BeginSendAsync(connection, room, request));

    public Task<PublishAcknowledgement> SendToUserAsync(ClientConnection connection, string? user, SendRequest request) =>
        WhenKeptAsync(BeginSendToUserAsync(connection, user, request));

    public Task<PublishAcknowledgement> BroadcastAsync(ClientConnection connection, string? ns, SendRequest request) =>
        WhenKeptAsync(BeginBroadcastAsync(connection, ns, request));

    /// <summary>The same in two steps, for whoever wants an order: the outer task completes when the publication has its place, the inner one when it is kept.</summary>
    public async ValueTask<Task<PublishAcknowledgement>> BeginSendAsync(ClientConnection connection, string? room, SendRequest request)
    {
        var name = ParseRoom(room);
        var channel = ChannelId.Room(name);
        CheckMayPublish(connection.Permissions, name);
        var publication = CheckTopic(name, ToPublication(request, connection.UserId));
        Subscription? subscription;
        do
        {
            subscription = connection.Find(channel)
                ?? throw new RealtimeException(RealtimeErrorCode.NotAMember, $"Join '{name}' before sending to it.");
        }
        while (!subscription.HasBegun && await subscription.WhenBegunAsync() is null);

        return await BeginPublishAsync(connection, channel, publication);
    }

    public ValueTask<Task<PublishAcknowledgement>> BeginSendToUserAsync(ClientConnection connection, string? user, SendRequest request) =>
        BeginPublishAsync(connection, ParseUser(user), ToPublication(request, connection.UserId));

    public ValueTask<Task<PublishAcknowledgement>> BeginBroadcastAsync(ClientConnection connection, string? ns, SendRequest request) =>
        BeginPublishAsync(connection, ParseBroadcast(connection.Permissions, ns), ToPublication(request, connection.UserId));

    // ---- Requests without a connection ----------------------------------------------------------------------------------

    public Task<PublishAcknowledgement> PublishToRoomAsync(Permissions caller, string? room, SendRequest request)
    {
        var name = ParseRoom(room);
        CheckMayPublish(caller, name);
        return PublishAsync(ChannelId.Room(name), CheckTopic(name, ToPublication(request, PublisherOf(caller, request))));
    }

    public Task<PublishAcknowledgement> PublishToUserAsync(Permissions caller, string? user, SendRequest request) =>
        PublishAsync(ParseUser(user), ToPublication(request, PublisherOf(caller, request)));

    public Task<PublishAcknowledgement> PublishToNamespaceAsync(Permissions caller, string? ns, SendRequest request) =>
        PublishAsync(ParseBroadcast(caller, ns), ToPublication(request, PublisherOf(caller, request)));

    public async Task<History> RoomHistoryAsync(Permissions caller, string? room, HistoryRequest request, CancellationToken cancellationToken) =>
        await ReadAsync(ChannelId.Room(await CheckMayJoinAsync(caller, room, cancellationToken)), request, cancellationToken);

    public Task<History> InboxAsync(Permissions caller, string? user, HistoryRequest request, CancellationToken cancellationToken)
    {
        var channel = ParseUser(user);
        CheckIsOrMayActFor(caller, channel.Key);
        return ReadAsync(channel, request, cancellationToken);
    }

    public Task<History> NotificationsAsync(Permissions caller, string? ns, HistoryRequest request, CancellationToken cancellationToken) =>
        ReadAsync(ChannelId.Namespace(CheckMayUseNamespace(caller, ns)), request, cancellationToken);

    /// <summary>Hands a request to the application's handler. Where there is none, it starts the job of that name.</summary>
    /// <param name="connection">Null for a call that came by none.</param>
    /// <param name="ns">As <see cref="CheckMayUseNamespace"/> has it.</param>
    /// <param name="data">Null for no argument.</param>
    /// <returns>What the handler answers; null for nothing.</returns>
    public async Task<EventData?> RequestAsync(
        Permissions caller,
        ClientConnection? connection,
        IReadOnlyList<Claim> claims,
        string? name,
        string ns,
        Payload? data,
        CancellationToken cancellationToken)
    {
        CheckSize(data);
        return await StartRequestedJobAsync(caller, name, ns, data, cancellationToken)
            ?? await events.InvokeAsync(ns, name, EventPayload.ToArguments(data), caller, connection, claims, cancellationToken);
    }

    /// <summary>The answer to a request without a handler, where there is a job of its name; null where it is not so.</summary>
    public async ValueTask<EventData?> StartRequestedJobAsync(Permissions caller, string? name, string ns, Payload? data, CancellationToken cancellationToken) =>
        name is null || ns != RoomName.DefaultNamespace || events.Handles(ns, name) ? null : await jobs.RequestAsync(caller, name, data, cancellationToken);

    /// <summary>The client has answered a request of the server. False where nobody waits for that any more.</summary>
    public bool Answer(ClientConnection connection, long id, Payload? data)
    {
        CheckSize(data);
        return connection.Answer(id, EventPayload.ToArguments(data));
    }

    /// <summary>The client will not answer a request of the server. False where nobody waits for that any more.</summary>
    public static bool Refuse(ClientConnection connection, long id, string? message) => message is { Length: > PendingRequests.MaxRefusal }
        ? throw new RealtimeException(RealtimeErrorCode.InvalidArgument, $"The message may have at most {PendingRequests.MaxRefusal} characters.")
        : connection.Refuse(id, message);

    public async Task<PresenceResult> PresenceAsync(Permissions caller, string? room, CancellationToken cancellationToken)
    {
        var name = await CheckMayJoinAsync(caller, room, cancellationToken);
        var presence = await CallAsync(cluster.GetGrain<IRoomGrain>(name.Qualified).Presence(PresenceSample), cancellationToken);
        return new(name.ToString(), presence.Members, presence.Connections, [.. presence.List.Select(m => new PresentMember(m.User, m.Connections))]);
    }

    public async Task<ConnectionsResult> ConnectionsAsync(Permissions caller, string? user, CancellationToken cancellationToken)
    {
        var channel = ParseUser(user);
        CheckIsOrMayActFor(caller, channel.Key);
        var list = await CallAsync(cluster.GetGrain<IUserGrain>(channel.Key).Connections(), cancellationToken);
        return new(channel.Key, [.. list.Select(c => new ConnectionInfo(c.ConnectionId, c.GatewayId, c.Transport))]);
    }

    public async Task<DisconnectResult> DisconnectAsync(Permissions caller, string? user, string? connectionId, CancellationToken cancellationToken)
    {
        var channel = ParseUser(user);
        CheckIsOrMayActFor(caller, channel.Key);
        return new(await CallAsync(cluster.GetGrain<IUserGrain>(channel.Key).Disconnect(connectionId), cancellationToken));
    }

    // ---- The application's own publications ------------------------------------------------------------------------------

    public Task<PublishAcknowledgement> PublishToRoomAsync(string? room, SendRequest request)
    {
        var name = ParseRoom(room);
        return PublishAsync(ChannelId.Room(name), CheckTopic(name, ToPublication(request, ParseFrom(request.From))));
    }

    public Task<PublishAcknowledgement> PublishToUserAsync(string? user, SendRequest request) =>
        PublishAsync(ParseUser(user), ToPublication(request, ParseFrom(request.From)));

    public Task<PublishAcknowledgement> PublishToNamespaceAsync(string? ns, SendRequest request) =>
        PublishAsync(ChannelId.Namespace(ParseNamespace(ns)), ToPublication(request, ParseFrom(request.From)));

    // ---- The rest -------------------------------------------------------------------------------------------------------

    /// <summary>Parses a cursor as a client wrote it; null and the empty text are none.</summary>
    public static Cursor? ParseCursor(string? text) => string.IsNullOrEmpty(text) ? null
        : Cursor.TryParse(text, out var cursor) ? cursor
        : throw new RealtimeException(RealtimeErrorCode.InvalidCursor, "The cursor is malformed: it must be 'epoch:offset', as the server gave it out.");

    public static RoomName ParseRoom(string? room) => RoomName.TryParse(room, out var name, out string? error)
        ? name
        : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, error);

    /// <summary>The namespace that a client means, where it may use that at all.</summary>
    public static string CheckMayUseNamespace(Permissions caller, string? ns)
    {
        string name = ParseNamespace(ns);
        return caller.MayUseNamespace(name)
            ? name
            : throw new RealtimeException(RealtimeErrorCode.NotAllowed, $"The token does not allow the namespace '{name}'.");
    }

    static async Task<PublishAcknowledgement> WhenKeptAsync(ValueTask<Task<PublishAcknowledgement>> begun) => await await begun;

    async ValueTask<Task<PublishAcknowledgement>> BeginPublishAsync(ClientConnection connection, ChannelId channel, Publication publication)
    {
        var slots = connection.PublishSlots ??= new(options.Value.PublishesInFlight);
        if (!slots.Wait(0))
        {
            await slots.WaitAsync();
        }

        return PublishAndReleaseAsync();

        async Task<PublishAcknowledgement> PublishAndReleaseAsync()
        {
            try
            {
                return await PublishAsync(channel, publication);
            }
            finally
            {
                slots.Release();
            }
        }
    }

    async Task<PublishAcknowledgement> PublishAsync(ChannelId channel, Publication publication)
    {
        long start = time.GetTimestamp();
        var result = await uplinks.PublishAsync(channel, publication);
        metrics.Published(result.Status, time.GetElapsedTime(start));
        return result.Status switch
        {
            PublishStatus.Accepted => PublishAcknowledgement.Of(result, publication),
            PublishStatus.Overloaded => throw new RealtimeException(
                RealtimeErrorCode.Overloaded, "More is waiting to be kept than the channel allows. Slow down, and retry under the same messageId."),
            _ => throw Unavailable(null),
        };
    }

    async Task<History> ReadAsync(ChannelId channel, HistoryRequest request, CancellationToken cancellationToken)
    {
        if (request.Limit is < 1 or > MaxPage)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, $"The limit must be 1 to {MaxPage}.");
        }

        if (request.Before is < 1)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "'before' must be an offset of at least 1.");
        }

        if (request is { After: not null, Before: not null })
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "Give a cursor to read after or an offset to read before, not both.");
        }

        var query = new HistoryQuery(CheckCursor(request.After, channel), request.Before, request.Limit ?? DefaultPage);
        var page = await CallAsync(cluster.GetChannel(channel).Read(query), cancellationToken);
        long end = page.Messages.Count > 0 ? page.Messages[^1].Offset : page.Head.Offset;
        return new(
            [.. page.Messages.Select(m => new MessageReceived(channel, page.Head.Epoch, m))],
            new Cursor(page.Head.Epoch, end).ToString(),
            page.More,
            page.Recovered);
    }

    /// <summary>Calls a grain; where the cluster does not answer, the caller is told that it is unavailable.</summary>
    public static async Task<T> CallAsync<T>(Task<T> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call.WaitAsync(ClusterTimeout, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OrleansException or ChannelUnavailableException)
        {
            throw Unavailable(exception);
        }
    }

    Publication ToPublication(SendRequest request, string? from)
    {
        string name = CheckName(request.Event ?? "message", "An event name");
        string? messageId = CheckNameIfAny(request.MessageId, "A messageId");
        string? key = CheckNameIfAny(request.Key, "A key");
        var data = request.Data ?? Payload.Null;
        CheckSize(data);
        var delivery = request.Delivery switch
        {
            null or "durable" => Delivery.Durable,
            "transient" => Delivery.Transient,
            "latest" => Delivery.Latest,
            _ => throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "The delivery must be 'durable', 'transient' or 'latest'."),
        };
        if (delivery == Delivery.Latest != key is not null)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "A 'latest' value needs a key, and only a 'latest' value may have one.");
        }

        return new(name, data, from, messageId, delivery, key);
    }

    /// <summary>In the room of a topic's channel the event is a topic of it, on which subscribers rely.</summary>
    static Publication CheckTopic(RoomName room, Publication publication) => Topic.TryCheck(room, publication.Event, out string? error)
        ? publication
        : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, error);

    void CheckSize(Payload? data) => CheckSize(data, options.Value);

    internal static void CheckSize(Payload? data, GatewayOptions options)
    {
        if (data?.Bytes.Length > options.MaxPayloadBytes)
        {
            throw new RealtimeException(
                RealtimeErrorCode.PayloadTooLarge, $"The data has {data.Bytes.Length} bytes; at most {options.MaxPayloadBytes} are allowed.");
        }
    }

    /// <summary>What every name has to be.</summary>
    /// <param name="what">What it is the name of, as the error's sentence begins.</param>
    internal static string CheckName(string? text, string what) => RoomName.TryCheckName(text, what, out string? error)
        ? text
        : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, error);

    static string? CheckNameIfAny(string? text, string what) => text is null ? null : CheckName(text, what);

    internal static ChannelId ParseUser(string? user) => ChannelId.User(CheckName(user, "A user id"));

    static string ParseNamespace(string? ns)
    {
        string name = ns ?? RoomName.DefaultNamespace;
        return RoomName.TryParseNamespace(name, out string? error) ? name : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, error);
    }

    static ChannelId ParseBroadcast(Permissions caller, string? ns)
    {
        string name = ParseNamespace(ns);
        return caller.IsAdmin
            ? ChannelId.Namespace(name)
            : throw new RealtimeException(RealtimeErrorCode.NotAllowed, "Broadcasting needs the role 'admin'.");
    }

    async ValueTask<RoomName> CheckMayJoinAsync(Permissions caller, string? room, CancellationToken cancellationToken)
    {
        var name = ParseRoom(room);
        if (!caller.MayJoin(name))
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, $"The token does not allow joining '{name}'.");
        }

        await jobs.CheckRoomAsync(name, cancellationToken);
        return name;
    }

    static void CheckMayPublish(Permissions caller, RoomName room)
    {
        if (!caller.MayPublish(room))
        {
            throw new RealtimeException(
                RealtimeErrorCode.NotAllowed,
                JobId.IsRoom(room, out _) ? "To the room of a job only the server publishes." : $"The token does not allow publishing to '{room}'.");
        }
    }

    internal static void CheckIsOrMayActFor(Permissions caller, string user)
    {
        if (caller.UserId != user && !caller.IsAdmin)
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, "Only the user and the role 'admin' may do that.");
        }
    }

    static string? PublisherOf(Permissions caller, SendRequest request)
    {
        if (request.From is not { } from || from == caller.UserId)
        {
            return caller.UserId;
        }

        ParseFrom(from);
        return caller.IsAdmin ? from : throw new RealtimeException(RealtimeErrorCode.NotAllowed, "Publishing on behalf of others needs the role 'admin'.");
    }

    static string? ParseFrom(string? from) => CheckNameIfAny(from, "'from'");

    public static Cursor? CheckCursor(Cursor? cursor, ChannelId channel) => cursor is not { } given || Epoch.Belongs(given.Epoch, channel)
        ? cursor
        : throw new RealtimeException(RealtimeErrorCode.InvalidCursor, "The cursor is of another channel.");

    RealtimeException TooManyRooms() => new(
        RealtimeErrorCode.TooManyRooms, $"A connection may be in at most {options.Value.MaxRoomsPerConnection} rooms.");

    static RealtimeException Unavailable(Exception? cause) => new(
        RealtimeErrorCode.Unavailable, "The message log is not available at the moment. Try again; for a message, under the same messageId.", cause);
}
