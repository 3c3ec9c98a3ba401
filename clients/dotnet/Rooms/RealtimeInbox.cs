using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Feeds;

namespace OrleansRealtime.Client;

/// <summary>
/// What was sent to this user directly; it comes from the first connection on. Where the store knows nothing, it begins after what the user's
/// connections have been handed before, so messages that waited come first.
/// </summary>
public sealed class RealtimeInbox
{
    readonly RealtimeClient _client;
    readonly Channel _channel;

    internal RealtimeInbox(RealtimeClient client)
    {
        _client = client;
        _channel = new(client, "inbox", null, ReadPageAsync, gap =>
        {
            GapDetected?.Invoke(gap);
            client.OnGap(gap);
        });
    }

    public event Action<MessageGap>? GapDetected;

    internal MessageFeed Feed => _channel.Feed;

    /// <summary>All direct messages; as <see cref="RealtimeRoom.ReadAllAsync"/>. For those of one user: <see cref="RealtimeClient.Direct"/>.</summary>
    public IAsyncEnumerable<RealtimeMessage> ReadAllAsync(string? after = null, CancellationToken cancellationToken = default) =>
        Feed.ReadAllAsync(Feed.Position, after, null, cancellationToken);

    /// <summary>A page of one's direct messages: after a cursor, or the newest.</summary>
    public async Task<MessagePage> HistoryAsync(PageRequest? request = null, CancellationToken cancellationToken = default) =>
        await _client.DecodeAsync(null, await _client.WithLinkAsync((link, limit) => ReadPageAsync(link, request ?? new(), limit), null, cancellationToken));

    Task<MessagePage> ReadPageAsync(HubLink link, PageRequest page, CancellationToken cancellationToken) => page.Before is null
        ? link.InvokeAsync<MessagePage>("Inbox", [page.After, page.Limit], cancellationToken)
        : _client.Rest.PageAsync($"/api/users/{Uri.EscapeDataString(_client.User ?? "")}/messages", page, cancellationToken);
}

/// <summary>What is broadcast to everybody (in the namespace <c>/</c>).</summary>
public sealed class RealtimeNotifications
{
    internal const string Path = "/api/namespaces/messages";

    readonly RealtimeClient _client;
    readonly Channel _channel;

    internal RealtimeNotifications(RealtimeClient client)
    {
        _client = client;
        _channel = new(client, "notifications", null, (_, page, cancellationToken) => client.Rest.PageAsync(Path, page, cancellationToken), gap =>
        {
            GapDetected?.Invoke(gap);
            client.OnGap(gap);
        });
    }

    public event Action<MessageGap>? GapDetected;

    internal MessageFeed Feed => _channel.Feed;

    /// <summary>As <see cref="RealtimeRoom.ReadAllAsync"/>; they begin with the first connection.</summary>
    public IAsyncEnumerable<RealtimeMessage> ReadAllAsync(string? after = null, CancellationToken cancellationToken = default) =>
        Feed.ReadAllAsync(Feed.Position, after, null, cancellationToken);

    public Task<MessagePage> HistoryAsync(PageRequest? request = null, CancellationToken cancellationToken = default) =>
        _client.Rest.PageAsync(Path, request ?? new(), cancellationToken);

    /// <summary>Broadcasts to everybody; needs the role <c>admin</c>. It is sent once, now, and not queued.</summary>
    public Task<Acknowledgement> BroadcastAsync(
        object? data, string @event = "message", string? @namespace = null, string? messageId = null, CancellationToken cancellationToken = default) =>
        _client.InvokeAsync<Acknowledgement>("Broadcast", [@event, _client.ToElement(data), @namespace, messageId], cancellationToken);
}

/// <summary>The conversation with one user, from <see cref="RealtimeClient.Direct"/>.</summary>
public sealed class DirectConversation
{
    readonly RealtimeClient _client;
    readonly ReadPosition _position = new();

    internal DirectConversation(RealtimeClient client, string user)
    {
        _client = client;
        User = user;
    }

    public string User { get; }

    /// <summary>What this user sends to us, as <see cref="RealtimeRoom.ReadAllAsync"/>. What we send is not in it: it is in the other's inbox alone.</summary>
    public IAsyncEnumerable<RealtimeMessage> ReadAllAsync(string? after = null, CancellationToken cancellationToken = default) =>
        _client.Inbox.Feed.ReadAllAsync(_position, after, message => message.From == User, cancellationToken);

    /// <summary>Queues a message for the user's inbox, where it waits for a user who is offline.</summary>
    /// <exception cref="RealtimeClientException"><c>outbox_full</c>.</exception>
    public SentMessage Send(object? data, SendOptions? options = null) => options is { Delivery: not (null or "durable") } or { Key: not null }
        ? throw new RealtimeClientException("invalid_argument", "Direct messages are durable and have no key.")
        : _client.Outbox.Add(new(Sending.TargetKind.User, User), data, options ?? new());

    /// <summary>The same; completes when the server has it. Cancelling ends the waiting, not the sending.</summary>
    public Task<Acknowledgement> SendAsync(object? data, SendOptions? options = null, CancellationToken cancellationToken = default) =>
        Send(data, options).Kept.WaitAsync(cancellationToken);
}
