using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Encryption;
using OrleansRealtime.Client.Messages;
using OrleansRealtime.Client.PubSub;
using OrleansRealtime.Client.Sending;

namespace OrleansRealtime.Client;

/// <summary>
/// A user's client. It keeps one connection and replaces it when it is lost; what is joined stays joined, what is sent waits, and what was
/// missed comes. All of it may be used by several threads. Events are raised where the connection is read: their handlers must not wait for anything.
/// </summary>
public sealed class RealtimeClient : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, RealtimeRoom> _rooms = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, DirectConversation> _conversations = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _closing = new();
    readonly TokenSource _tokens;
    readonly ConnectionLoop _loop;
    readonly ClientRequests _requests;
    Cursor? _inboxEnd;
    bool _restored, _knowsEnds;

    public RealtimeClient(RealtimeClientOptions options) : this(options, Random.Shared.NextDouble)
    {
    }

    /// <param name="random">For the jitter: 0 to 1.</param>
    internal RealtimeClient(RealtimeClientOptions options, Func<double> random)
    {
        options.Check();
        Options = options;
        _tokens = new(options);
        var host = new Host(this);
        _loop = new(options, _tokens, host, random);
        Rest = new(options, _tokens);
        Outbox = new(options, host);
        Outbox.Changed += () => OutboxChanged?.Invoke();
        _requests = new(this);
        Inbox = new(this);
        Notifications = new(this);
        Jobs = new(this);
        host.Restore();
    }

    /// <summary>The user whose token this is; null before the first token has come.</summary>
    public string? User => _tokens.User;

    public ConnectionState State => _loop.Info.State;

    /// <summary>The state with what else is to be known of the connection.</summary>
    public ConnectionInfo Info => _loop.Info;

    public RealtimeInbox Inbox { get; }

    public RealtimeNotifications Notifications { get; }

    public RealtimeJobs Jobs { get; }

    /// <summary>Messages that the server has not acknowledged, in the order of sending for each room and user.</summary>
    public IReadOnlyList<SentMessage> Unsent => Outbox.Messages;

    public event Action<ConnectionInfo>? StateChanged;

    public event Action? OutboxChanged;

    /// <summary>Messages of some channel are gone for good.</summary>
    public event Action<MessageGap>? GapDetected;

    /// <summary>The application's server code has sent this connection an event.</summary>
    public event Action<ServerEvent>? EventReceived;

    /// <summary>A handler of the application's has thrown; the client goes on.</summary>
    public event Action<Exception>? HandlerFailed;

    internal RealtimeClientOptions Options { get; }

    /// <summary>How the server's JSON is written, whatever the application's data looks like.</summary>
    internal static JsonSerializerOptions WireJson => JsonSerializerOptions.Web;

    internal RestApi Rest { get; }

    internal Outbox Outbox { get; }

    internal IMessageCodec? Codec { get; set; }

    /// <summary>Connects. Completes with the first connection; the client tries as often as <see cref="RealtimeClientOptions.Backoff"/> says.</summary>
    /// <param name="cancellationToken">Ends the waiting. The client goes on trying until it is disposed.</param>
    /// <exception cref="RealtimeClientException">The client has given up: <c>unreachable</c>, or the server's own code.</exception>
    public async Task ConnectAsync(CancellationToken cancellationToken = default)
    {
        _loop.Open();
        await WhenConnectedAsync(cancellationToken);
    }

    /// <summary>Connects now, whatever the state: without waiting for the next attempt, and after the client has given up.</summary>
    public async Task ReconnectAsync(CancellationToken cancellationToken = default)
    {
        var before = _loop.Link;
        _loop.Restart();
        if (before is not null)
        {
            await before.Dropped.WaitAsync(cancellationToken);
        }

        await WhenConnectedAsync(cancellationToken);
    }

    /// <summary>A round trip to the server.</summary>
    public async Task<TimeSpan> PingAsync(CancellationToken cancellationToken = default)
    {
        var latency = await WithLinkAsync(
            async (link, limit) =>
            {
                long start = Options.Time.GetTimestamp();
                await Host.RoundTripAsync(link, limit);
                return Options.Time.GetElapsedTime(start);
            },
            null,
            cancellationToken);
        _loop.Measured(latency);
        return latency;
    }

    /// <summary>One object for each room.</summary>
    /// <param name="name"><c>general</c>, or <c>/admin:alerts</c> for one of another namespace.</param>
    public RealtimeRoom Room(string name) =>
        _rooms.GetOrAdd(name.StartsWith("/:", StringComparison.Ordinal) ? name[2..] : name, static (name, client) => new(client, name), this);

    /// <summary>The conversation with a user; one object for each.</summary>
    public DirectConversation Direct(string user) => _conversations.GetOrAdd(user, static (user, client) => new(client, user), this);

    /// <summary>Asks the application's handler of the event on the server.</summary>
    /// <exception cref="RealtimeClientException"><c>timeout</c>, <c>unknown_event</c>, or whatever the handler refuses with.</exception>
    public async Task<T?> RequestAsync<T>(
        string @event, object? data = null, string? @namespace = null, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        Answer<T>(await WithLinkAsync(
            (link, limit) => link.InvokeAsync<JsonElement>("Request", [@event, ToElement(data), @namespace], limit), timeout, cancellationToken));

    /// <summary>Asks another user's clients; the first that answers counts.</summary>
    /// <exception cref="RealtimeClientException"><c>offline</c>, <c>refused</c> (with the other's own sentence) or <c>timeout</c>.</exception>
    public async Task<T?> RequestUserAsync<T>(
        string user, string @event, object? data = null, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        var limit = timeout ?? Options.RequestTimeout;

        // The server tells of the timeout; the client's own comes only where the server does not.
        return Answer<T>(await WithLinkAsync(
            (link, stop) => link.InvokeAsync<JsonElement>("RequestUser", [user, @event, ToElement(data), limit.TotalSeconds], stop),
            limit + TimeSpan.FromSeconds(5),
            cancellationToken));
    }

    /// <summary>
    /// Answers what the server, or other users, ask. The handler may wait; its result is the answer, and a <see cref="RequestRefusedException"/> is a refusal.
    /// </summary>
    /// <returns>Dispose it to answer no more.</returns>
    public IDisposable OnRequest(string @event, Func<ClientRequest, CancellationToken, Task<object?>> handler) => _requests.Add(@event, handler);

    /// <summary>
    /// What is published under topics that the pattern matches, from when the first is asked for. Nothing is missed over lost connections.
    /// </summary>
    /// <param name="pattern"><c>orders.*</c> (one word), <c>orders.&gt;</c> (one or more), <c>orders.created.eu</c>.</param>
    public IAsyncEnumerable<RealtimeMessage> SubscribeAsync(string pattern, CancellationToken cancellationToken = default) =>
        ReadTopicsAsync(TopicPattern.Parse(pattern), null, cancellationToken);

    /// <summary>The same with a handler, which is called for one message after another. The message's event is its topic.</summary>
    public TopicSubscription Subscribe(string pattern, Func<RealtimeMessage, Task> handler) => new(this, TopicPattern.Parse(pattern), handler);

    /// <summary>Publishes to a topic; queued as all that is sent is. Completes when the server has it.</summary>
    public Task<Acknowledgement> PublishAsync(string topic, object? data, string? messageId = null, CancellationToken cancellationToken = default)
    {
        TopicPattern.CheckTopic(topic);
        return Outbox.Add(new(TargetKind.Topic, TopicPattern.RoomOf(topic)), data, new() { Event = topic, MessageId = messageId }).Kept.WaitAsync(cancellationToken);
    }

    /// <summary>End-to-end encryption. Before the client connects; once.</summary>
    public RealtimeEncryption UseEncryption(EncryptionOptions? options = null)
    {
        if (Codec is not null || State != ConnectionState.Closed)
        {
            throw new InvalidOperationException("Encryption is begun once, before the client connects.");
        }

        var encryption = new RealtimeEncryption(this, options ?? new());
        Codec = encryption.Codec;
        return encryption;
    }

    /// <summary>Closes the connection, and ends the readers. What has not been acknowledged stays in the store.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested)
        {
            return;
        }

        await _closing.CancelAsync();
        foreach (var room in _rooms.Values)
        {
            room.End(null);
        }

        Inbox.Feed.End(null);
        Notifications.Feed.End(null);
        Outbox.Dispose();
        Codec?.Close();
        await _loop.DisposeAsync();
        Rest.Dispose();
        _closing.Dispose();
    }

    // ---- For the parts ------------------------------------------------------------------------------------------------

    internal Task<HubLink> WhenConnectedAsync(CancellationToken cancellationToken) => _loop.WhenConnectedAsync(cancellationToken);

    internal Task<HubLink> WhenLinkedAsync(CancellationToken cancellationToken) => _loop.WhenLinkedAsync(cancellationToken);

    internal Task<T> InvokeAsync<T>(string method, object?[] arguments, CancellationToken cancellationToken) =>
        WithLinkAsync((link, limit) => link.InvokeAsync<T>(method, arguments, limit), null, cancellationToken);

    /// <summary>Does something with the connection, once there is one; fails with <c>timeout</c> where that takes too long.</summary>
    internal async Task<T> WithLinkAsync<T>(Func<HubLink, CancellationToken, Task<T>> action, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = Options.Time.CreateTimer(_ => limit.Cancel(), null, timeout ?? Options.RequestTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            return await action(await WhenConnectedAsync(limit.Token), limit.Token);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RealtimeClientException("timeout", "There was no answer in time.", exception);
        }
    }

    internal JsonElement ToElement(object? data) => JsonSerializer.SerializeToElement(data, Options.Json);

    /// <summary>A page as the application gets it. What cannot be decrypted is missing in it.</summary>
    internal async Task<MessagePage> DecodeAsync(string? room, MessagePage page)
    {
        if (Codec is not { } codec)
        {
            return page;
        }

        var messages = new List<RealtimeMessage>();
        foreach (var message in page.Messages)
        {
            if (await codec.DecodeAsync(room, message, live: false) is { } decoded)
            {
                messages.Add(decoded);
            }
        }

        return page with { Messages = messages };
    }

    internal async IAsyncEnumerable<RealtimeMessage> ReadTopicsAsync(
        TopicPattern pattern, TaskCompletionSource? begun, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var room = Room(pattern.Room);
        await room.JoinAsync(cancellationToken: cancellationToken);
        try
        {
            // Each subscription begins now, whatever others have read.
            var messages = room.Feed.ReadAllAsync(new(), room.Feed.Received?.ToString(), message => pattern.Matches(message.Event), cancellationToken);
            begun?.TrySetResult();
            await foreach (var message in messages)
            {
                yield return message;
            }
        }
        finally
        {
            await room.LeaveAsync(CancellationToken.None);
        }
    }

    /// <summary>A room that is not kept for its own sake: it is forgotten with the last that holds it.</summary>
    internal RealtimeRoom Hold(string name)
    {
        lock (_rooms)
        {
            var room = Room(name);
            room.Holds++;
            return room;
        }
    }

    internal void LetGo(RealtimeRoom room)
    {
        lock (_rooms)
        {
            if (--room.Holds == 0 && !room.IsWanted)
            {
                _rooms.TryRemove(new(room.Name, room));
            }
        }
    }

    internal Cursor? KeptCursor(string channel) =>
        Options.Storage.Load(CursorName(channel)) is [{ Key: var name, Value: var text }, ..] && name == CursorName(channel) ? Cursor.Parse(text) : null;

    internal void KeepCursor(string channel, Cursor? cursor) => Options.Storage.Keep(CursorName(channel), cursor?.ToString());

    internal void OnGap(MessageGap gap) => Guard(() => GapDetected?.Invoke(gap));

    /// <summary>Calls the application's code, whose failures are its own.</summary>
    internal void Guard(Action handler)
    {
        try
        {
            handler();
        }
        catch (Exception exception)
        {
            OnHandlerFailed(exception);
        }
    }

    internal void OnHandlerFailed(Exception exception) => HandlerFailed?.Invoke(exception);

    /// <summary>The store may be several users', one after the other.</summary>
    string CursorName(string channel) => $"{User}/cursor/{channel}";

    T? Answer<T>(JsonElement answer) =>
        answer.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null ? default : answer.Deserialize<T>(Options.Json);

    /// <summary>What the connection and the outbox need of the client.</summary>
    sealed class Host(RealtimeClient client) : IConnected, ITransmitter
    {
        public HubLink? Link => client._loop.Link;

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
            if (client._inboxEnd is { } end)
            {
                client.Inbox.Feed.Begin(end);
            }

            if (client.Codec is { } codec)
            {
                await codec.OnConnectedAsync(link, cancellationToken);
            }

            await Task.WhenAll(client._rooms.Values.Where(room => room.IsWanted).Select(room => RejoinAsync(room, link, cancellationToken)));
        }

        public void OnEvent(HubLink link, string name, JsonElement argument) => client.Guard(() => Dispatch(link, name, argument));

        public void OnState(ConnectionInfo info)
        {
            if (info.State != ConnectionState.Connected)
            {
                client.Guard(() => client.Codec?.OnDisconnected());
            }

            client.Guard(() => client.StateChanged?.Invoke(info));
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
            if (client._restored || (client.User is null && !connecting))
            {
                return;
            }

            client._restored = true;
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
            if (client._knowsEnds)
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
                    client._inboxEnd = await client.Rest.EndAsync($"/api/users/{Uri.EscapeDataString(user)}/messages", cancellationToken);
                }
            }
            catch (RealtimeClientException exception) when (exception.IsPermanent)
            {
                // The application does not want REST calls. Then the two begin with what comes first.
            }

            client._knowsEnds = true;
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
                    client._rooms.GetValueOrDefault(change.Room)?.OnPresence(change);
                    break;
                case "gap":
                    OnGap(argument);
                    break;
                case "event":
                    client.EventReceived?.Invoke(argument.Deserialize<ServerEvent>(RealtimeClient.WireJson)!);
                    break;
                case "requested":
                    _ = client._requests.AnswerAsync(link, argument, client._closing.Token);
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
            client._rooms.GetValueOrDefault(name)?.Feed.OnMessage(message, taken);
        }

        void OnDirect(RealtimeMessage message)
        {
            bool taken = client.Codec?.Intercept(null, message) is true;
            client.Inbox.Feed.OnMessage(message, taken);
        }

        void OnGap(JsonElement argument)
        {
            var gap = argument.Deserialize<MessageGap>(RealtimeClient.WireJson)!;
            var feed = gap.Room is { } room ? client._rooms.GetValueOrDefault(room)?.Feed
                : argument.TryGetProperty("namespace", out _) ? client.Notifications.Feed
                : client.Inbox.Feed;
            feed?.OnGap(gap);
        }
    }
}
