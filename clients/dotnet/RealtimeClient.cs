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
    readonly ConcurrentDictionary<string, DirectConversation> _conversations = new(StringComparer.Ordinal);
    readonly CancellationTokenSource _closing = new();
    readonly TokenSource _tokens;
    readonly ConnectionLoop _loop;

    public RealtimeClient(RealtimeClientOptions options) : this(options, Random.Shared.NextDouble)
    {
    }

    /// <param name="random">For the jitter: 0 to 1.</param>
    internal RealtimeClient(RealtimeClientOptions options, Func<double> random)
    {
        options.Check();
        Options = options;
        Closing = _closing.Token;
        _tokens = new(options);
        var host = new ClientHost(this);
        _loop = new(options, _tokens, host, random);
        Rest = new(options, _tokens);
        Outbox = new(options, host);
        Outbox.Changed += () => OutboxChanged?.Invoke();
        Requests = new(this);
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

    internal ConcurrentDictionary<string, RealtimeRoom> Rooms { get; } = new(StringComparer.Ordinal);

    internal ClientRequests Requests { get; }

    internal HubLink? Link => _loop.Link;

    /// <summary>Cancelled when the client is closed.</summary>
    internal CancellationToken Closing { get; }

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
                await ClientHost.RoundTripAsync(link, limit);
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
        Rooms.GetOrAdd(name.StartsWith("/:", StringComparison.Ordinal) ? name[2..] : name, static (name, client) => new(client, name), this);

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
    public IDisposable OnRequest(string @event, Func<ClientRequest, CancellationToken, Task<object?>> handler) => Requests.Add(@event, handler);

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
        foreach (var room in Rooms.Values)
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
        lock (Rooms)
        {
            var room = Room(name);
            room.Holds++;
            return room;
        }
    }

    internal void LetGo(RealtimeRoom room)
    {
        lock (Rooms)
        {
            if (--room.Holds == 0 && !room.IsWanted)
            {
                Rooms.TryRemove(new(room.Name, room));
            }
        }
    }

    internal Cursor? KeptCursor(string channel) =>
        Options.Storage.Load(CursorName(channel)) is [{ Key: var name, Value: var text }, ..] && name == CursorName(channel) ? Cursor.Parse(text) : null;

    internal void KeepCursor(string channel, Cursor? cursor) => Options.Storage.Keep(CursorName(channel), cursor?.ToString());

    internal void OnStateChanged(ConnectionInfo info) => StateChanged?.Invoke(info);

    internal void OnServerEvent(ServerEvent serverEvent) => EventReceived?.Invoke(serverEvent);

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
}
