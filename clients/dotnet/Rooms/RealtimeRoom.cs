using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Feeds;
using OrleansRealtime.Client.Messages;
using OrleansRealtime.Client.Sending;

namespace OrleansRealtime.Client;

/// <summary>
/// A room, from <see cref="RealtimeClient.Room"/>. Once joined it stays joined: after a lost connection the client joins it again, and goes on after
/// the last message it has seen. Events are raised where the connection is read, and their handlers must not wait for anything.
/// </summary>
public sealed class RealtimeRoom
{
    readonly RealtimeClient _client;
    readonly Channel _channel;
    readonly Turn _joining = new();
    HubLink? _joinedOn;
    int _joins;
    bool _restored;

    // From here on a message of one's own that the server has kept would have come back; null while nothing is known.
    DateTimeOffset? _completeSince;

    internal RealtimeRoom(RealtimeClient client, string name)
    {
        _client = client;
        Name = name;
        _channel = new(client, $"room:{name}", name, ReadPageAsync, OnGap);
    }

    /// <summary><c>general</c>, or <c>/admin:alerts</c> in a namespace of its own.</summary>
    public string Name { get; }

    /// <summary>Whether messages of the room come now.</summary>
    public bool IsJoined => _joinedOn is { Ended.IsCompleted: false };

    /// <summary>Joined, or joined again.</summary>
    public event Action<RoomJoined>? Joined;

    /// <summary>The server does not let the client into the room any more. Its readers have failed with the same.</summary>
    public event Action<RealtimeClientException>? Refused;

    public event Action<PresenceChange>? PresenceChanged;

    public event Action<MessageGap>? GapDetected;

    /// <summary>See <see cref="RealtimeClient.Hold"/>.</summary>
    internal int Holds { get; set; }

    internal MessageFeed Feed => _channel.Feed;

    internal bool WasJoined => _joinedOn is not null;

    internal bool IsWanted => Volatile.Read(ref _joins) > 0;

    /// <summary>
    /// Joins the room, as soon as there is a connection. Delivery begins now, or where the store says that the last run of the application has stopped
    /// reading, or after a cursor. Each call needs its own <see cref="LeaveAsync"/>.
    /// </summary>
    /// <exception cref="RealtimeClientException">Refused: <c>not_allowed</c>, <c>too_many_rooms</c>, <c>unknown_job</c>; or the client has given up.</exception>
    public async Task JoinAsync(string? after = null, CancellationToken cancellationToken = default)
    {
        if (after is not null)
        {
            Feed.Restore(Cursor.Parse(after));
        }

        Interlocked.Increment(ref _joins);
        try
        {
            while (true)
            {
                var link = await _client.WhenConnectedAsync(cancellationToken);
                try
                {
                    await JoinOnAsync(link, cancellationToken);
                    return;
                }
                catch (RealtimeClientException exception) when (exception.Code == RealtimeClientErrors.ConnectionLost)
                {
                    await link.Dropped.WaitAsync(cancellationToken);
                }
            }
        }
        catch
        {
            Interlocked.Decrement(ref _joins);
            throw;
        }
    }

    /// <summary>Leaves the room, if nobody else here has joined it: its readers end, and what has been seen is forgotten.</summary>
    public async Task LeaveAsync(CancellationToken cancellationToken = default)
    {
        if (!IsWanted || Interlocked.Decrement(ref _joins) > 0)
        {
            return;
        }

        using var turn = await _joining.TakeAsync(cancellationToken);
        if (!IsWanted)
        {
            await LeaveServerAsync(cancellationToken);
            Forget(null);
        }
    }

    /// <summary>
    /// The room's messages, in their order, without end. The first to read begins where the room was joined, or where the last run of the application
    /// has stopped; who reads again after having stopped goes on there; who reads beside somebody else begins now. A message counts as read when the
    /// next one is asked for, or the loop is left. A reader that is slow loses nothing that is kept: it reads on from the history.
    /// </summary>
    /// <param name="after">A cursor after which to begin.</param>
    public IAsyncEnumerable<RealtimeMessage> ReadAllAsync(string? after = null, CancellationToken cancellationToken = default) =>
        Feed.ReadAllAsync(Feed.Position, after, null, cancellationToken);

    /// <summary>Queues a message. It is sent as soon as it can be, after those before it.</summary>
    /// <exception cref="RealtimeClientException"><c>outbox_full</c>.</exception>
    public SentMessage Send(object? data, SendOptions? options = null) => _client.Outbox.Add(new(TargetKind.Room, Name), data, options ?? new());

    /// <summary>The same; completes when the server has it. Cancelling ends the waiting, not the sending.</summary>
    public Task<Acknowledgement> SendAsync(object? data, SendOptions? options = null, CancellationToken cancellationToken = default) =>
        Send(data, options).Kept.WaitAsync(cancellationToken);

    /// <summary>A page of the room's messages. Without a cursor or an offset the newest.</summary>
    public async Task<MessagePage> HistoryAsync(PageRequest? request = null, CancellationToken cancellationToken = default) =>
        await _client.DecodeAsync(Name, await _client.WithLinkAsync((link, limit) => ReadPageAsync(link, request ?? new(), limit), null, cancellationToken));

    public Task<RoomPresence> PresenceAsync(CancellationToken cancellationToken = default) =>
        _client.InvokeAsync<RoomPresence>("Presence", [Name], cancellationToken);

    /// <summary>Joins on this link, where the client is not in the room on it yet.</summary>
    internal async Task JoinOnAsync(HubLink link, CancellationToken cancellationToken)
    {
        using var turn = await _joining.TakeAsync(cancellationToken);
        if (_joinedOn == link || !IsWanted)
        {
            return;
        }

        Restore();
        var cursor = Feed.Received;
        Feed.Resuming();
        RoomJoined joined;
        try
        {
            joined = await link.InvokeAsync<RoomJoined>("Join", [Name, cursor?.ToString()], cancellationToken);
        }
        catch (RealtimeClientException exception) when (exception.Code == "invalid_cursor" && cursor is not null)
        {
            joined = await link.InvokeAsync<RoomJoined>("Join", [Name, null], cancellationToken) with { Recovered = false };
        }

        if (cursor is null)
        {
            Feed.Begin(Cursor.Parse(joined.Cursor));
        }

        Feed.Resumed(Cursor.Parse(joined.Cursor), joined.Recovered);
        _completeSince = cursor is null || !joined.Recovered ? _client.Options.Time.GetUtcNow() : _completeSince ?? DateTimeOffset.MinValue;
        _joinedOn = link;
        _client.Codec?.OnJoined(link, Name);
        _client.Guard(() => Joined?.Invoke(joined));
    }

    /// <summary>The room could not be joined again.</summary>
    internal void Refuse(RealtimeClientException error)
    {
        Volatile.Write(ref _joins, 0);
        Forget(error);
        _client.Guard(() => Refused?.Invoke(error));
    }

    internal void OnPresence(PresenceChange change) => _client.Guard(() => PresenceChanged?.Invoke(change));

    internal bool WouldHaveSeen(DateTimeOffset sentAt) => IsJoined && _completeSince <= sentAt;

    internal void End(Exception? error) => Feed.End(error);

    async Task LeaveServerAsync(CancellationToken cancellationToken)
    {
        if (_joinedOn is { } link)
        {
            try
            {
                await link.InvokeAsync("Leave", [Name], cancellationToken);
            }
            catch (RealtimeClientException exception) when (exception.Code is RealtimeClientErrors.ConnectionLost or "not_a_member")
            {
                // Then the client is not in the room either.
            }
        }
    }

    void Restore()
    {
        if (!_restored && _client.KeptCursor(_channel.Name) is { } cursor)
        {
            Feed.Restore(cursor);
        }

        _restored = true;
    }

    void Forget(Exception? error)
    {
        _joinedOn = null;
        _completeSince = null;
        _channel.Reset(error);
        _client.Codec?.OnLeft(Name);
    }

    Task<MessagePage> ReadPageAsync(HubLink link, PageRequest page, CancellationToken cancellationToken) => page.Before is { } before
        ? link.InvokeAsync<MessagePage>("HistoryBefore", [Name, before, page.Limit], cancellationToken)
        : link.InvokeAsync<MessagePage>("History", [Name, page.After, page.Limit], cancellationToken);

    void OnGap(MessageGap gap)
    {
        _completeSince = _client.Options.Time.GetUtcNow();
        GapDetected?.Invoke(gap);
        _client.OnGap(gap);
    }
}
