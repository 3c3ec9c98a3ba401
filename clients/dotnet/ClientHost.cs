using System.Text.Json;
using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Messages;
using OrleansRealtime.Client.Sending;

namespace OrleansRealtime.Client;

/// <summary>What the connection and the outbox need of the client.</summary>
sealed class ClientHost(RealtimeClient client) : IConnected, ITransmitter
{
    Cursor? _inboxEnd;
    bool _restored, _knowsEnds;

    public HubLink? Link => client.Link;

    /// <summary>Nobody is asked anything under the number 0, so this changes nothing.</summary>
    public static Task RoundTripAsync(HubLink link, CancellationToken cancellationToken) => link.InvokeAsync("Answer", [0L], cancellationToken);

    public async Task<Uri> AddressAsync(CancellationToken cancellationToken)
    {
        Restore(connecting: true);
        await FindEndsAsync(cancellationToken);
        client.Inbox.Feed.Resuming();
        client.Notifications.Feed.Resuming();
        string query = string.Join('&', ((IEnumerable<string?>)[Cursor("inbox", client.Inbox.Feed.Received), Cursor("notifications", client.Notifications.Feed.Received)]).OfType<string>());
        var address = RestApi.Below(client.Options.Url, "/hub");
        return query.Length == 0 ? address : new($"{address}?{query}");

        static string? Cursor(string name, Cursor? cursor) => cursor is { } known ? $"{name}={Uri.EscapeDataString(known.ToString())}" : null;
    }

    public async Task ReadyAsync(HubLink link, CancellationToken cancellationToken)
    {
        // Its answer comes after the inbox's messages that had waited. So all up to the end that was found before has come.
        await RoundTripAsync(link, cancellationToken);
        if (_inboxEnd is { } end)
        {
            client.Inbox.Feed.Begin(end);
        }

        if (client.Codec is { } codec)
        {
            await codec.OnConnectedAsync(link, cancellationToken);
        }

        await Task.WhenAll(client.Rooms.Values.Where(room => room.IsWanted).Select(room => RejoinAsync(room, link, cancellationToken)));
    }

    public void OnEvent(HubLink link, string name, JsonElement argument) => client.Guard(() => Dispatch(link, name, argument));

    public void OnState(ConnectionInfo info)
    {
        if (info.State != ConnectionState.Connected)
        {
            client.Guard(() => client.Codec?.OnDisconnected());
        }

        client.Guard(() => client.OnStateChanged(info));
    }

    public Task<HubLink> WhenLinkedAsync(CancellationToken cancellationToken) => client.WhenLinkedAsync(cancellationToken);

    public bool WouldHaveSeen(SentMessage message) =>
        message is { Target: { Kind: TargetKind.Room, Name: var room }, FirstSentAt: { } sentAt } && client.Room(room).WouldHaveSeen(sentAt);

    public async Task<Acknowledgement> TransmitAsync(HubLink link, SentMessage message, Action leaving, CancellationToken cancellationToken)
    {
        var data = client.Codec is { } codec ? await codec.EncodeAsync(link, message, cancellationToken) : message.Data;
        leaving();
        string target = message.Target.Name;
        return message.Target.Kind switch
        {
            TargetKind.User => await link.InvokeAsync<Acknowledgement>("SendToUser", [target, message.Event, data, message.MessageId], cancellationToken),
            TargetKind.Topic => await client.Rest.SendAsync<Acknowledgement>(
                HttpMethod.Post,
                $"/api/rooms/{Uri.EscapeDataString(target)}/messages",
                new { message.Event, data, message.MessageId },
                cancellationToken),
            _ => await link.InvokeAsync<Acknowledgement>(
                "SendWith", [target, message.Event, data, new { message.MessageId, message.Delivery, message.Key }], cancellationToken),
        };
    }

    public void OnHandlerFailed(Exception exception) => client.OnHandlerFailed(exception);

    /// <summary>Once the user is known; at the first connection at the latest.</summary>
    public void Restore(bool connecting = false)
    {
        if (_restored || (client.User is null && !connecting))
        {
            return;
        }

        _restored = true;
        client.Outbox.Restore(client.Options.Storage, $"{client.User}/outbox/");
        if (client.KeptCursor("inbox") is { } inbox)
        {
            client.Inbox.Feed.Restore(inbox);
        }

        if (client.KeptCursor("notifications") is { } notifications)
        {
            client.Notifications.Feed.Restore(notifications);
        }
    }

    /// <summary>
    /// Where the logs end before the first connection, so that one that is lost before anything has come is resumed there. The inbox begins
    /// earlier where messages have waited in it.
    /// </summary>
    async Task FindEndsAsync(CancellationToken cancellationToken)
    {
        if (_knowsEnds)
        {
            return;
        }

        try
        {
            if (client.Notifications.Feed.Received is null)
            {
                client.Notifications.Feed.Begin(await client.Rest.EndAsync(RealtimeNotifications.Path, cancellationToken));
            }

            if (client.Inbox.Feed.Received is null && client.User is { } user)
            {
                _inboxEnd = await client.Rest.EndAsync($"/api/users/{Uri.EscapeDataString(user)}/messages", cancellationToken);
            }
        }
        catch (RealtimeClientException exception) when (exception.IsPermanent)
        {
            // The application does not want REST calls. Then the two begin with what comes first.
        }

        _knowsEnds = true;
    }

    static async Task RejoinAsync(RealtimeRoom room, HubLink link, CancellationToken cancellationToken)
    {
        try
        {
            await room.JoinOnAsync(link, cancellationToken);
        }
        catch (RealtimeClientException exception) when (exception.IsPermanent)
        {
            // Who waits for the room to be joined for the first time gets the refusal himself.
            if (room.WasJoined)
            {
                room.Refuse(exception);
            }
        }
    }

    void Dispatch(HubLink link, string name, JsonElement argument)
    {
        switch (name)
        {
            case "message":
                OnRoomMessage(Message(argument));
                break;
            case "direct":
                OnDirect(Message(argument));
                break;
            case "notification":
                client.Notifications.Feed.OnMessage(Message(argument));
                break;
            case "presence":
                var change = argument.Deserialize<PresenceChange>(RealtimeClient.WireJson)!;
                client.Codec?.OnPresence(change);
                client.Rooms.GetValueOrDefault(change.Room)?.OnPresence(change);
                break;
            case "gap":
                OnGap(argument);
                break;
            case "event":
                client.OnServerEvent(argument.Deserialize<ServerEvent>(RealtimeClient.WireJson)!);
                break;
            case "requested":
                _ = client.Requests.AnswerAsync(link, argument, client.Closing);
                break;
            default:
                // Of a newer server.
                break;
        }
    }

    static RealtimeMessage Message(JsonElement argument) => argument.Deserialize<RealtimeMessage>(RealtimeClient.WireJson)!;

    void OnRoomMessage(RealtimeMessage message)
    {
        string name = message.Room!;
        if (message.From is not null && message.From == client.User)
        {
            client.Outbox.Confirm(new(TargetKind.Room, name), message);
            client.Outbox.Confirm(new(TargetKind.Topic, name), message);
        }

        bool taken = client.Codec?.Intercept(name, message) is true;
        client.Rooms.GetValueOrDefault(name)?.Feed.OnMessage(message, taken);
    }

    void OnDirect(RealtimeMessage message)
    {
        bool taken = client.Codec?.Intercept(null, message) is true;
        client.Inbox.Feed.OnMessage(message, taken);
    }

    void OnGap(JsonElement argument)
    {
        var gap = argument.Deserialize<MessageGap>(RealtimeClient.WireJson)!;
        var feed = gap.Room is { } room ? client.Rooms.GetValueOrDefault(room)?.Feed
            : argument.TryGetProperty("namespace", out _) ? client.Notifications.Feed
            : client.Inbox.Feed;
        feed?.OnGap(gap);
    }
}
