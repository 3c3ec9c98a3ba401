using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// What this gateway knows of one channel: its local audience, and how far the log has been passed on to it.
/// <para>
/// The next offset is passed on, an older one is dropped, and before a later one the hole is filled from the log. The mailbox may
/// lose, repeat and reorder: what connections are sent is the log, in order, each offset once.
/// </para>
/// <para>
/// Lock order: a channel's lock may be held when a connection's lock is taken, never the reverse. No grain call under the lock.
/// </para>
/// </summary>
sealed class LocalChannel(ChannelId id, Uplinks uplinks, IClusterClient cluster, TimeProvider time, ILogger logger)
{
    /// <summary>Events that are held back while a hole is filled; beyond it they are dropped and read from the log as well.</summary>
    const int HeldEvents = 4096;

    readonly Lock _lock = new();

    // Most channels are inboxes with one connection.
    readonly List<Subscription> _live = new(1);
    readonly List<Subscription> _catchingUp = new(1);
    readonly Queue<ChannelMessages> _held = new();
    readonly PresenceSet _presence = new();
    readonly Seam _seam = new();

    /// <summary>While somebody is catching up.</summary>
    ChannelPages? _pages;
    Task? _declaration;
    string _epoch = "";
    long _offset;
    long _revision;
    long _reported;
    bool _known;
    bool _repairing;
    bool _removed;
    long _emptySince;

    public ChannelId Id { get; } = id;

    /// <summary>How far the log has been passed on to the connections here.</summary>
    public ChannelHead Position
    {
        get
        {
            lock (_lock)
            {
                return new(_epoch, _offset, _revision);
            }
        }
    }

    /// <summary>The connections that get the live messages.</summary>
    public IReadOnlyList<ClientConnection> Audience
    {
        get
        {
            lock (_lock)
            {
                return [.. _live.Select(s => s.Connection)];
            }
        }
    }

    // ---- The audience -----------------------------------------------------------------------------------------------

    /// <summary>
    /// Takes the connection into the audience: it is present, and is told who comes and goes. Messages come when delivery begins.
    /// False where this channel has been removed: get a new one. Where this or <see cref="CatchUpAsync"/> fails, the caller unsubscribes.
    /// </summary>
    public async Task<bool> AttachAsync(Subscription subscription, CancellationToken cancellationToken)
    {
        Task declaration;
        lock (_lock)
        {
            if (_removed)
            {
                return false;
            }

            // The declaration goes first: a grain takes no presence from a gateway it does not know.
            declaration = _declaration ??= DeclareAsync();
            _catchingUp.Add(subscription);
            CountPresence(subscription, +1);
        }

        await declaration.WaitAsync(cancellationToken);
        return true;
    }

    public void Unsubscribe(Subscription subscription)
    {
        lock (_lock)
        {
            bool was = _live.Remove(subscription);
            if (_catchingUp.Remove(subscription))
            {
                was = true;
                CloseSeamIfUnused();
            }

            if (was)
            {
                CountPresence(subscription, -1);
                if (_live.Count + _catchingUp.Count == 0)
                {
                    _emptySince = time.GetTimestamp();
                }
            }
        }
    }

    /// <summary>Removes the channel where it has had no audience for a while, and tells the grain.</summary>
    public bool TryRemove(TimeSpan linger)
    {
        lock (_lock)
        {
            if (_known && _live.Count + _catchingUp.Count == 0 && time.GetElapsedTime(_emptySince) >= linger)
            {
                // Under the lock: a successor of this channel can declare its interest only after this.
                _removed = true;
                _ = uplinks.DeclareAsync(Id, false);
            }

            return _removed;
        }
    }

    /// <summary>How far an inbox has been handed to any of its user's connections here; null where that has not changed since the last call.</summary>
    public Cursor? TakeDelivered()
    {
        lock (_lock)
        {
            if (_offset == _reported || _live.Count == 0)
            {
                return null;
            }

            long sent = _live.Max(s => s.Sent.Epoch == _epoch ? s.Sent.Offset : 0);
            if (sent <= _reported)
            {
                return null;
            }

            _reported = sent;
            return new(_epoch, sent);
        }
    }

    /// <summary>What <see cref="TakeDelivered"/> has said did not arrive: it is to be said again.</summary>
    public void DeliveredNotReported()
    {
        lock (_lock)
        {
            _reported = 0;
        }
    }

    /// <summary>Declares interest and all presence anew, and compares the log's head with what has been passed on.</summary>
    public async Task CompareAsync()
    {
        PresenceCount[] presence;
        Cursor position;
        lock (_lock)
        {
            if (_removed || !_known)
            {
                return;
            }

            presence = [.. _presence];
            position = new(_epoch, _offset);
        }

        CompareHead(await uplinks.DeclareAsync(Id, true, presence, position));
    }

    // ---- From the mailbox -------------------------------------------------------------------------------------------

    public void Deliver(ChannelMessages messages, FanoutBatch batch)
    {
        lock (_lock)
        {
            if (!_known || _repairing)
            {
                if (_held.Count < HeldEvents)
                {
                    _held.Enqueue(messages);
                }

                return;
            }

            if (!TryPassOn(messages.Epoch, messages.Messages, batch))
            {
                _held.Enqueue(messages);
                StartRepair();
            }
        }
    }

    public void CompareHead(ChannelHead head)
    {
        lock (_lock)
        {
            if (_known && !_repairing && (head.Epoch != _epoch || head.Offset > _offset || head.Revision > _revision))
            {
                StartRepair();
            }
        }
    }

    /// <summary>Passes on something that has no place among the messages: those who are not live yet get it as well.</summary>
    public void Deliver(PreparedEvent prepared, FanoutBatch batch)
    {
        lock (_lock)
        {
            Send(_live, prepared, batch);
            Send(_catchingUp, prepared, batch);
        }
    }

    // ---- Passing on, under the lock -----------------------------------------------------------------------------------

    /// <summary>Passes on what comes next. False at a hole or another epoch; what came before it has been passed on.</summary>
    bool TryPassOn(string epoch, IReadOnlyList<Message> messages, FanoutBatch batch)
    {
        foreach (var message in messages)
        {
            if (message.Delivery == Delivery.Transient)
            {
                SendToLive(new(new MessageReceived(Id, epoch, message)), batch);
                continue;
            }

            if (epoch != _epoch)
            {
                return false;
            }

            if (message.Delivery == Delivery.Latest)
            {
                if (message.Offset > _revision)
                {
                    _revision = message.Offset;
                    PassOn(message, batch);
                }

                continue;
            }

            if (message.Offset > _offset + 1)
            {
                return false;
            }

            if (message.Offset == _offset + 1)
            {
                _offset = message.Offset;
                PassOn(message, batch);
            }
        }

        return true;
    }

    void PassOn(Message message, FanoutBatch batch)
    {
        var prepared = new PreparedEvent(new MessageReceived(Id, _epoch, message));
        SendToLive(prepared, batch);
        if (_catchingUp.Count > 0)
        {
            _seam.Keep(prepared, message.Size, _offset);
        }
    }

    void SendToLive(PreparedEvent prepared, FanoutBatch batch) => Send(_live, prepared, batch);

    static void Send(List<Subscription> subscriptions, PreparedEvent prepared, FanoutBatch batch)
    {
        foreach (var subscription in subscriptions)
        {
            if (subscription.Wants(prepared) && subscription.Connection.Enqueue(prepared, subscription))
            {
                batch.Add(subscription.Connection);
            }
        }
    }

    // ---- Holes ------------------------------------------------------------------------------------------------------

    void StartRepair()
    {
        _repairing = true;
        _ = Task.Run(RepairAsync);
    }

    /// <summary>Reads the log from where the audience is until nothing is missing any more.</summary>
    async Task RepairAsync()
    {
        var delay = TimeSpan.FromMilliseconds(100);
        while (true)
        {
            try
            {
                if (await RepairOnceAsync())
                {
                    return;
                }
            }
            catch (Exception exception)
            {
                LocalChannelLog.RepairFailed(logger, Id, exception);
                await Task.Delay(delay, time);
                delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, TimeSpan.FromSeconds(5).Ticks));
            }
        }
    }

    async Task<bool> RepairOnceAsync()
    {
        var position = Position;
        var grain = cluster.GetChannel(Id);
        var page = await grain.Read(new(new Cursor(position.Epoch, position.Offset), null, ChannelPages.PageSize));
        var latest = page.Head.Epoch != position.Epoch ? await grain.ReadLatest(0)
            : page.Head.Revision > position.Revision ? await grain.ReadLatest(position.Revision) : [];
        var batch = new FanoutBatch();
        bool complete;
        lock (_lock)
        {
            if (!page.Recovered)
            {
                StartAfterGap(page, batch);
            }

            bool passedOn = TryPassOn(page.Head.Epoch, page.Messages, batch) && TryPassOn(page.Head.Epoch, latest, batch);
            complete = passedOn && !page.More && TryPassOnHeld(batch);
            _repairing = !complete;
        }

        await batch.WriteAsync();
        return complete;
    }

    /// <summary>What has been missed is gone for good: the audience is told, and goes on from the oldest message there is.</summary>
    void StartAfterGap(HistoryPage page, FanoutBatch batch)
    {
        bool newEpoch = page.Head.Epoch != _epoch;
        _epoch = page.Head.Epoch;
        _offset = page.Messages.Count > 0 ? page.Messages[0].Offset - 1 : page.Head.Offset;
        _revision = newEpoch ? 0 : _revision;
        foreach (var subscription in _live)
        {
            subscription.StartsAfter(0, newEpoch ? 0 : _revision);
        }

        SendToLive(new(new GapDetected(Id, new(_epoch, _offset), newEpoch ? "new_epoch" : "trimmed")), batch);
        _seam.BeginAnew(_offset);
    }

    bool TryPassOnHeld(FanoutBatch batch)
    {
        while (_held.TryPeek(out var held))
        {
            // Of an epoch that is over: the log has been read since.
            if (!TryPassOn(held.Epoch, held.Messages, batch) && held.Epoch == _epoch)
            {
                return false;
            }

            _held.Dequeue();
        }

        return true;
    }

    // ---- Catching up ------------------------------------------------------------------------------------------------

    async Task DeclareAsync()
    {
        var head = await uplinks.DeclareAsync(Id, true);
        var batch = new FanoutBatch();
        lock (_lock)
        {
            (_epoch, _offset, _revision, _known) = (head.Epoch, head.Offset, head.Revision, true);

            // What it took to get there is not kept.
            _declaration = Task.CompletedTask;
            if (!TryPassOnHeld(batch))
            {
                StartRepair();
            }
        }

        await batch.WriteAsync();
    }

    /// <summary>
    /// Begins delivery to a connection of the audience: after the cursor, or from now where there is none. Completes when it has been
    /// sent everything up to the live messages; from then on it gets those.
    /// </summary>
    public async Task<SubscribeResult> CatchUpAsync(Subscription subscription, Cursor? cursor, CancellationToken cancellationToken)
    {
        ChannelHead head;
        ChannelPages pages;
        lock (_lock)
        {
            if (!subscription.Ended)
            {
                _seam.Open(_offset);
            }

            head = new(_epoch, _offset, _revision);
            pages = _pages ??= new(Id, cluster);
        }

        if (cursor is not { } position)
        {
            subscription.Sent = new(head.Epoch, head.Offset);
            return await GoLiveAsync(subscription, null, await SendLatestAsync(subscription, cancellationToken)) ?? new(subscription.Sent, true);
        }

        subscription.Sent = position;
        bool recovered = true;
        while (true)
        {
            var page = await pages.ReadAsync(position, cancellationToken);
            if (page.Head.Epoch != Position.Epoch)
            {
                // The log has begun anew, which the mailbox has not said yet; before it is known here nobody goes live.
                CompareHead(page.Head);
            }

            if (!page.Recovered)
            {
                recovered = false;
                position = new(page.Head.Epoch, page.Messages.Count > 0 ? page.Messages[0].Offset - 1 : page.Head.Offset);
                subscription.Sent = position;
            }

            foreach (var prepared in page.Messages)
            {
                await SendWhenRoomAsync(subscription, prepared, cancellationToken);
                position = position with { Offset = prepared.Offset };
            }

            if (!page.More && await GoLiveAsync(subscription, position, await SendLatestAsync(subscription, cancellationToken)) is { } result)
            {
                return result with { Recovered = recovered };
            }
        }
    }

    /// <summary>Sends what was before the live messages, no faster than the client takes it: a page can be more than the queue may hold.</summary>
    static async ValueTask SendWhenRoomAsync(Subscription subscription, PreparedEvent prepared, CancellationToken cancellationToken)
    {
        subscription.Connection.Send(prepared, subscription);
        var room = subscription.Connection.WaitForRoomAsync();
        if (!room.IsCompleted)
        {
            await room.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Sends the newest value of each key. Returns the revision up to which they have been sent.</summary>
    async Task<long> SendLatestAsync(Subscription subscription, CancellationToken cancellationToken)
    {
        var position = Position;
        if (position.Revision == 0)
        {
            return 0;
        }

        long revision = position.Revision;
        foreach (var message in await cluster.GetChannel(Id).ReadLatest(0))
        {
            await SendWhenRoomAsync(subscription, new(new MessageReceived(Id, position.Epoch, message)), cancellationToken);
            revision = Math.Max(revision, message.Offset);
        }

        return revision;
    }

    /// <summary>
    /// Hands over what has come since the seam was opened and makes the subscription live, in one step, so that nothing is lost, sent
    /// twice or out of order between the log and the live messages. Null where the seam does not reach back to the position: read on.
    /// Without a position delivery begins here.
    /// </summary>
    async ValueTask<SubscribeResult?> GoLiveAsync(Subscription subscription, Cursor? position, long revision)
    {
        var batch = new FanoutBatch();
        SubscribeResult result;
        lock (_lock)
        {
            if (position is { } known)
            {
                if (known.Epoch != _epoch || known.Offset < _seam.Start)
                {
                    return null;
                }

                // The log may have been read further than the mailbox has brought this channel: what is still to come of that is not sent again.
                subscription.StartsAfter(known.Offset, revision);
            }
            else
            {
                position = subscription.Sent = new(_epoch, _offset);
                subscription.StartsAfter(_offset, revision);
            }

            foreach (var prepared in _seam.Kept)
            {
                if (subscription.Wants(prepared) && subscription.Connection.Enqueue(prepared, subscription))
                {
                    batch.Add(subscription.Connection);
                }
            }

            if (_catchingUp.Remove(subscription))
            {
                _live.Add(subscription);
            }

            CloseSeamIfUnused();
            result = new(new(_epoch, Math.Max(position.Value.Offset, _offset)), true);
        }

        await batch.WriteAsync();
        return result;
    }

    void CloseSeamIfUnused()
    {
        if (_catchingUp.Count == 0)
        {
            _seam.Close();
            _pages = null;
        }
    }

    void CountPresence(Subscription subscription, int change)
    {
        if (Id.Kind == ChannelKind.Namespace || !subscription.Connection.IsPresent)
        {
            return;
        }

        string key = Id.Kind == ChannelKind.Room ? subscription.Connection.UserId : subscription.Connection.Id;
        int before = _presence.TryGet(key, out var known) ? known.Connections : 0;
        var count = new PresenceCount(key, before + change, Id.Kind == ChannelKind.User ? subscription.Connection.Transport : null);
        _presence.Put(count);
        uplinks.SetPresence(Id, count);
    }
}

static partial class LocalChannelLog
{
    [LoggerMessage(1, LogLevel.Warning, "{Channel} could not be read to fill a hole; it is tried again.")]
    public static partial void RepairFailed(ILogger logger, ChannelId channel, Exception exception);

    [LoggerMessage(2, LogLevel.Debug, "{Channel} could not be told what has been handed out; it is told again.")]
    public static partial void DeliveredNotReported(ILogger logger, ChannelId channel, Exception exception);
}
