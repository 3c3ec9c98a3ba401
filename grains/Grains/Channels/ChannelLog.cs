namespace OrleansRealtime.Channels;

/// <summary>
/// The sequenced log of one channel: assigns offsets, appends whole batches in one round trip, remembers message ids, trims, and
/// reads after a cursor. It belongs to one grain activation and runs in its context; its state changes only between awaits.
/// <para>
/// Group commit: one append is in flight; what is published meanwhile forms the next batch. Offsets are assigned when a batch is
/// made, so the order of offsets is the order in which publications arrived.
/// </para>
/// </summary>
/// <param name="appended">
/// Told of every batch the store has accepted, in order, before its publishers are; and which answer will tell of it, where that is all of one call.
/// </param>
/// <param name="superseded">Told when the store shows that another activation owns the channel.</param>
/// <param name="restarted">Told when the log goes on in a new epoch, because the store has lost messages.</param>
sealed class ChannelLog(
    ChannelId channel,
    IChannelStore store,
    ChannelOptions options,
    TimeProvider time,
    Action<IReadOnlyList<Message>, Answer?> appended,
    Action superseded,
    Action restarted)
{
    /// <summary>Publications of one append at most: large enough to amortize a round trip, small enough to bound its latency.</summary>
    const int BatchCount = 1024;

    /// <summary>Bytes of one page of history at most.</summary>
    const int PageBytes = 1 << 20;

    readonly Queue<Group> _pending = new();
    readonly ChannelTail _tail = new(options.TailCount, options.TailBytes);
    readonly RecentIds _ids = new(options.DeduplicationCount, options.DeduplicationWindow);
    readonly Retention _retention = options.RetentionOf(channel.Kind);
    string _epoch = "";
    long _head;
    long _first;
    long _revision;
    long _lastTime;
    long _untrimmed;
    long _trimmedAt;
    int _pendingCount;
    long _pendingBytes;
    bool _appending;
    bool _trimming;

    /// <summary>An append may have happened or not, or the store has refused one: the position is read again before the next.</summary>
    bool _uncertain;

    /// <summary>The store has refused an append.</summary>
    bool _conflicted;

    /// <summary>The newest offset of this epoch that somebody is known to have been told of, where that is beyond the head.</summary>
    long _told;

    Task _appends = Task.CompletedTask;

    public ChannelHead Head => new(_epoch, _head, _revision);

    /// <summary>Reads the log's position, recent messages and ids from the store.</summary>
    public async Task OpenAsync(CancellationToken cancellationToken = default)
    {
        var stored = await store.OpenAsync(channel, cancellationToken);
        long after = Math.Max(stored.First - 1, stored.Head - Math.Max(options.TailCount, options.DeduplicationCount));
        var recent = new List<Message>();
        while (stored.Head > after)
        {
            var page = await store.ReadAsync(channel, stored.Epoch, after, 1000, PageBytes, cancellationToken);
            if (page.Count == 0)
            {
                break;
            }

            recent.AddRange(page);
            after = page[^1].Offset;
        }

        _tail.Clear();
        _ids.Clear();
        foreach (var message in recent)
        {
            _tail.Add(message);
            _ids.Add(message);
            _lastTime = Math.Max(_lastTime, message.Time);
        }

        (_epoch, _head, _first, _revision) = (stored.Epoch, Math.Max(stored.Head, after), stored.First, stored.Revision);
        _uncertain = false;
    }

    /// <summary>
    /// Publishes in order and completes when the store has all of it. Transient messages are passed on at once, beside the log.
    /// </summary>
    public Task<PublishResult[]> PublishAsync(IReadOnlyList<Publication> publications, Answer? answer = null)
    {
        var group = new Group(publications, answer);
        long bytes = 0;
        List<Message>? transient = null;
        for (int i = 0; i < publications.Count; i++)
        {
            var publication = publications[i];
            bytes += publication.Data.Bytes.Length;
            if (publication.Delivery == Delivery.Transient)
            {
                var message = publication.ToMessage(0, Now());
                (transient ??= []).Add(message);
                group.Results[i] = new(PublishStatus.Accepted, _epoch, 0, message.Time, false);
            }
            else
            {
                group.Logged++;
            }
        }

        if (transient is not null)
        {
            appended(transient, null);
        }

        if (group.Logged == 0)
        {
            return Task.FromResult(group.Results);
        }

        if (_pendingCount > 0 && (_pendingCount + group.Logged > options.PendingCount || _pendingBytes + bytes > options.PendingBytes))
        {
            group.Fail(PublishStatus.Overloaded);
            return Task.FromResult(group.Results);
        }

        group.Bytes = bytes;
        _pending.Enqueue(group);
        _pendingCount += group.Logged;
        _pendingBytes += bytes;
        StartAppending();
        return group.Done.Task;
    }

    /// <summary>Completes when nothing is being appended.</summary>
    public Task WhenAppendedAsync() => _appends;

    /// <summary>
    /// Somebody has been told of messages up to a position. Where the log ends before it, the store is asked: either another
    /// activation has written them, or the store has lost them, and the log goes on in a new epoch so that nobody takes later
    /// messages at those offsets for the lost ones.
    /// </summary>
    public Task CompareAsync(Cursor position)
    {
        if (position.Epoch != _epoch || position.Offset <= _head)
        {
            return Task.CompletedTask;
        }

        _told = Math.Max(_told, position.Offset);
        _uncertain = true;
        StartAppending();
        return _appends;
    }

    /// <summary>Reads the log; see <see cref="HistoryQuery"/>.</summary>
    public async Task<HistoryPage> ReadAsync(HistoryQuery query)
    {
        int limit = Math.Clamp(query.Limit, 1, 1000);
        bool recovered = true;
        long after;
        long end = _head;
        if (query.After is { } cursor)
        {
            after = cursor.Offset;
            if (cursor.Epoch != _epoch)
            {
                (recovered, after) = (false, _first - 1);
            }
            else if (cursor.Offset > _head)
            {
                (recovered, after) = (false, _head);
            }
        }
        else
        {
            end = Math.Min(query.Before - 1 ?? _head, _head);
            after = Math.Max(end - limit, _first - 1);
        }

        int count = (int)Math.Clamp(end - after, 0, limit);
        var messages = query.After is not null ? await ReadAfterAsync(after, count) : await ReadUpToAsync(end, after, count);
        if (query.After is not null && after < (messages.Count > 0 ? messages[0].Offset - 1 : _first - 1))
        {
            recovered = false;
        }

        bool more = query.After is not null
            ? (messages.Count > 0 ? messages[^1].Offset : after) < end
            : (messages.Count > 0 ? messages[0].Offset : end + 1) > _first;
        return new(Head, messages, recovered, more, _first);
    }

    public Task<IReadOnlyList<Message>> ReadLatestAsync(long afterRevision) =>
        _revision <= afterRevision ? Task.FromResult<IReadOnlyList<Message>>([]) : store.ReadLatestAsync(channel, _epoch, afterRevision);

    /// <summary>Whether enough has come, or enough time has passed, since the log was last trimmed. On any thread.</summary>
    public bool IsTrimDue
    {
        get
        {
            // An empty log too, now and then: the store may let go of what nobody has asked for in a long time.
            bool empty = _head < _first && _revision == 0;
            return _untrimmed > Math.Max(64, _retention.Count / 10) || Clock() - _trimmedAt > (empty ? 3_600_000 : 60_000);
        }
    }

    /// <summary>Applies the retention where that is due.</summary>
    public async Task TrimIfDueAsync()
    {
        if (_trimming || !IsTrimDue)
        {
            return;
        }

        (_trimming, _untrimmed, _trimmedAt) = (true, 0, Clock());
        try
        {
            _first = Math.Max(_first, await store.TrimAsync(channel, _epoch, _retention));
            if (!_tail.IsEmpty && _first > _head)
            {
                _tail.Clear();
            }
        }
        catch (ChannelUnavailableException)
        {
            // The next trim catches up.
        }
        finally
        {
            _trimming = false;
        }
    }

    async Task<IReadOnlyList<Message>> ReadAfterAsync(long after, int count)
    {
        if (count == 0)
        {
            return [];
        }

        return after >= _first - 1 && _tail.Covers(after)
            ? _tail.After(after, count).ToArray()
            : await store.ReadAsync(channel, _epoch, after, count, PageBytes);
    }

    /// <summary>The newest of a range, up to <paramref name="end"/>: where not all fit into a page, it is the oldest that are left out.</summary>
    async Task<IReadOnlyList<Message>> ReadUpToAsync(long end, long after, int count)
    {
        var messages = new Queue<Message>();
        long bytes = 0;
        while (count > 0 && await ReadAfterAsync(after, count) is { Count: > 0 } page)
        {
            foreach (var message in page)
            {
                messages.Enqueue(message);
                bytes += message.Size;
                while (bytes > PageBytes && messages.Count > 1)
                {
                    bytes -= messages.Dequeue().Size;
                }
            }

            after = page[^1].Offset;
            count = (int)(end - after);
        }

        return [.. messages];
    }

    void StartAppending()
    {
        if (!_appending)
        {
            _appending = true;
            _appends = AppendPendingAsync();
        }
    }

    async Task AppendPendingAsync()
    {
        var groups = new List<Group>();
        bool failed;
        do
        {
            failed = false;
            groups.Clear();
            try
            {
                if (_uncertain)
                {
                    await SettleAsync();
                }

                var batch = NextBatch(groups);
                if (batch.Count > 0)
                {
                    if (await store.AppendAsync(channel, _epoch, batch) == AppendOutcome.Conflict)
                    {
                        _uncertain = _conflicted = true;
                        await SettleAsync();
                        Fail(groups, PublishStatus.NotKept);
                        continue;
                    }

                    Commit(batch);
                    appended(batch, groups is [var only] ? only.Answer : null);
                }

                foreach (var group in groups)
                {
                    group.Done.TrySetResult(group.Results);
                }
            }
            catch (Exception exception) when (exception is ChannelUnavailableException or OperationCanceledException)
            {
                // The append may have happened or not: the position is read again before anything else is written.
                _uncertain = failed = true;
                TakeAllIfNone(groups);
                Fail(groups, PublishStatus.Unavailable);
            }
            catch (Exception exception)
            {
                // A defect, here or in the store: its publishers are told, and the log goes on from what the store has.
                _uncertain = failed = true;
                TakeAllIfNone(groups);
                foreach (var group in groups)
                {
                    group.Done.TrySetException(exception);
                }
            }
        }
        while (_pending.Count > 0 || (_told > 0 && !failed));

        _appending = false;
        await TrimIfDueAsync();
    }

    /// <summary>
    /// Reads the position again. What an append of unknown outcome has written after all is passed on now. Messages that somebody
    /// else has written mean that this activation is superseded; messages that are missing, that the log begins a new epoch.
    /// </summary>
    async Task SettleAsync()
    {
        var before = Head;
        bool conflicted = _conflicted;
        long known = Math.Max(_told, _head);
        await OpenAsync();
        if (_epoch == before.Epoch && _head < known)
        {
            await store.RenewAsync(channel, _epoch);
            await OpenAsync();
        }

        (_conflicted, _told) = (false, 0);
        if (_epoch != before.Epoch)
        {
            restarted();
        }
        else if (conflicted || known > before.Offset)
        {
            superseded();
        }
        else if (_head > before.Offset && _tail.Covers(before.Offset))
        {
            appended(_tail.After(before.Offset, int.MaxValue), null);
        }
    }

    /// <summary>Takes the next groups off the queue and makes their messages. Offsets are not yet the log's: <see cref="Commit"/> makes them so.</summary>
    List<Message> NextBatch(List<Group> groups)
    {
        var batch = new List<Message>();
        var inBatch = new Dictionary<(string?, string), Message>();
        long offset = _head, revision = _revision, now = Now();
        while (_pending.TryPeek(out var group) && (groups.Count == 0 || batch.Count + group.Logged <= BatchCount))
        {
            Take(groups);
            for (int i = 0; i < group.Publications.Count; i++)
            {
                var publication = group.Publications[i];
                if (publication.Delivery == Delivery.Transient)
                {
                    continue;
                }

                if (publication.MessageId is { } id)
                {
                    if (_ids.TryFind(publication.From, id, out var earlier))
                    {
                        group.Results[i] = new(PublishStatus.Accepted, _epoch, earlier.Offset, earlier.Time, true);
                        continue;
                    }

                    if (inBatch.TryGetValue((publication.From, id), out var twin))
                    {
                        group.Results[i] = new(PublishStatus.Accepted, _epoch, twin.Offset, twin.Time, true);
                        continue;
                    }
                }

                var message = publication.ToMessage(publication.Delivery == Delivery.Durable ? ++offset : ++revision, now);
                batch.Add(message);
                group.Results[i] = new(PublishStatus.Accepted, _epoch, message.Offset, message.Time, false);
                if (publication.MessageId is { } newId)
                {
                    inBatch.Add((publication.From, newId), message);
                }
            }
        }

        return batch;
    }

    void Commit(List<Message> batch)
    {
        foreach (var message in batch)
        {
            if (message.Delivery == Delivery.Durable)
            {
                _head = message.Offset;
                _tail.Add(message);
                _untrimmed++;
            }
            else
            {
                _revision = message.Offset;
            }

            _ids.Add(message);
        }
    }

    /// <summary>Where reopening failed, nobody has been taken yet, and everybody who waits is answered; the loop would otherwise not end.</summary>
    void TakeAllIfNone(List<Group> groups)
    {
        if (groups.Count > 0)
        {
            return;
        }

        while (_pending.Count > 0)
        {
            Take(groups);
        }
    }

    void Take(List<Group> groups)
    {
        var group = _pending.Dequeue();
        _pendingCount -= group.Logged;
        _pendingBytes -= group.Bytes;
        groups.Add(group);
    }

    static void Fail(List<Group> groups, PublishStatus status)
    {
        foreach (var group in groups)
        {
            group.Fail(status);
            group.Done.SetResult(group.Results);
        }
    }

    /// <summary>Never goes back, so that the log's times rise with its offsets.</summary>
    long Now() => _lastTime = Math.Max(_lastTime, Clock());

    long Clock() => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Publications that came together and are acknowledged together.</summary>
    sealed class Group(IReadOnlyList<Publication> publications, Answer? answer)
    {
        public Answer? Answer { get; } = answer;

        public IReadOnlyList<Publication> Publications { get; } = publications;

        public PublishResult[] Results { get; } = new PublishResult[publications.Count];

        public TaskCompletionSource<PublishResult[]> Done { get; } = new();

        /// <summary>Publications that need the log: all but the transient ones.</summary>
        public int Logged { get; set; }

        public long Bytes { get; set; }

        public void Fail(PublishStatus status)
        {
            for (int i = 0; i < Results.Length; i++)
            {
                if (Publications[i].Delivery != Delivery.Transient)
                {
                    Results[i] = new(status, "", 0, 0, false);
                }
            }
        }
    }
}
