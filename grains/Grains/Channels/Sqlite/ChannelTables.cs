using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>
/// The channels as the writer's thread changes them, always inside a transaction of <see cref="SqliteWriter"/>. What costs is the
/// number of pages that a transaction writes. So an append is one insert at the end of <c>messages</c> and nothing else; the index by
/// channel is extended every few thousand messages, sorted; and trimmed messages are deleted thousands at a time, in the order in
/// which they lie.
/// </summary>
internal sealed class ChannelTables : IDisposable
{
    /// <summary>
    /// Messages that the index may lack. A read of a channel that has some scans them all, 0.3 ms for 4,000; the more there are, the
    /// fewer pages of the index are written for each.
    /// </summary>
    const int IndexEvery = 4_000;

    /// <summary>Trimmed messages that may still lie in the file; or their bytes.</summary>
    const int PurgeEvery = 4_096;

    const long PurgeEveryBytes = 16 << 20;

    /// <summary>About 200 bytes each.</summary>
    const int CachedChannels = 100_000;

    readonly ConcurrentDictionary<ChannelId, State> _cache = new();
    readonly HashSet<long> _trimmed = [];
    readonly TimeProvider _time;
    readonly SqliteStatement _find;
    readonly SqliteStatement _create;
    readonly SqliteStatement _renew;
    readonly SqliteStatement _newest;
    readonly SqliteStatement _newestRevision;
    readonly SqliteStatement _insert;
    readonly SqliteStatement _putLatest;
    readonly SqliteStatement _places;
    readonly SqliteStatement _trim;
    readonly SqliteStatement _trimLatestByAge;
    readonly SqliteStatement _trimLatestByCount;
    readonly SqliteStatement _index;
    readonly SqliteStatement _setIndexed;
    readonly SqliteStatement _progress;
    readonly SqliteStatement _allTrimmed;
    readonly SqliteStatement _dead;
    readonly SqliteStatement _deleteMessage;
    readonly SqliteStatement _deletePlaces;

    /// <summary>The newest row of <c>messages</c>, and the newest in the index: as of this transaction, and as of the last commit.</summary>
    long _seq;
    long _indexed;
    long _committedIndexed;

    long _deadMessages;
    long _deadBytes;

    int _cached;

    /// <summary>At the start and after a rollback: any channel may have messages that the index lacks.</summary>
    volatile bool _recovering = true;

    public ChannelTables(SqliteConnection connection, TimeProvider time)
    {
        _time = time;
        _find = new(connection, "SELECT id, epoch, head, first, base, revision FROM channels WHERE name = ?1");
        _create = new(connection, "INSERT INTO channels (name, epoch) VALUES (?1, ?2) RETURNING id");
        _renew = new(connection, "UPDATE channels SET epoch = ?2 WHERE id = ?1");
        _newest = new(connection, "SELECT offset, total FROM places WHERE channel = ?1 ORDER BY offset DESC LIMIT 1");
        _newestRevision = new(connection, "SELECT max(revision) FROM latest WHERE channel = ?1");
        _insert = new(connection, """
            INSERT INTO messages (time, kind, event, sender, message_id, key, data, seq, channel, offset, total)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
            """);
        _putLatest = new(connection, """
            INSERT OR REPLACE INTO latest (time, kind, event, sender, message_id, key, data, channel, revision)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
            """);
        _places = new(connection, "SELECT offset, time, total FROM places WHERE channel = ?1 AND offset >= ?2 ORDER BY offset");
        _trim = new(connection, "UPDATE channels SET head = ?2, first = ?3, base = ?4, revision = ?5 WHERE id = ?1");
        _trimLatestByAge = new(connection, "DELETE FROM latest WHERE channel = ?1 AND time < ?2");
        _trimLatestByCount = new(connection, """
            DELETE FROM latest WHERE channel = ?1 AND revision <=
                (SELECT revision FROM latest WHERE channel = ?1 ORDER BY revision DESC LIMIT 1 OFFSET ?2)
            """);
        _index = new(connection, """
            INSERT INTO places (channel, offset, seq, time, total)
            SELECT channel, offset, seq, time, total FROM messages WHERE seq > ?1 ORDER BY channel, offset
            """);
        _setIndexed = new(connection, "UPDATE progress SET indexed = ?1");
        _progress = new(connection, "SELECT indexed, (SELECT max(seq) FROM messages) FROM progress");
        _allTrimmed = new(connection, """
            SELECT id FROM channels c WHERE first > 1 AND EXISTS (SELECT 1 FROM places p WHERE p.channel = c.id AND p.offset < c.first)
            """);
        _dead = new(connection, """
            SELECT p.offset, p.seq FROM channels c CROSS JOIN places p ON p.channel = c.id AND p.offset < c.first
            WHERE c.id = ?1 ORDER BY p.offset LIMIT ?2
            """);
        _deleteMessage = new(connection, "DELETE FROM messages WHERE seq = ?1");
        _deletePlaces = new(connection, "DELETE FROM places WHERE channel = ?1 AND offset <= ?2");
        ReadTrimmed();
    }

    /// <summary>
    /// Whether the index may lack messages of a channel. For readers on other threads, who ask before they take their snapshot: after
    /// a "no", whatever was acknowledged before is in the index.
    /// </summary>
    public bool MayBeUnindexed(ChannelId channel) =>
        // In this order: a rollback sets the flag before it empties the cache.
        (_cache.TryGetValue(channel, out State? state) && Volatile.Read(ref state.LastSeq) > Volatile.Read(ref _committedIndexed))
        || _recovering;

    public StoredChannel Open(ChannelId channel)
    {
        State state = Find(channel) ?? Create(channel);
        return new(state.Epoch, state.Head, state.First, state.Revision);
    }

    public StoredChannel Renew(ChannelId channel, string epoch)
    {
        if (Find(channel) is { } state && state.Epoch == epoch)
        {
            state.Epoch = Epoch.New(channel);
            _renew.Bind(1, state.Id).Bind(2, state.Epoch).Execute();
        }

        return Open(channel);
    }

    public AppendOutcome Append(ChannelId channel, string epoch, IReadOnlyList<Message> messages)
    {
        State? state = Find(channel);
        if (state is null || state.Epoch != epoch || !Follows(state, messages))
        {
            return AppendOutcome.Conflict;
        }

        foreach (Message message in messages)
        {
            if (message.Delivery == Delivery.Latest)
            {
                MessageRow.Bind(_putLatest, message).Bind(8, state.Id).Bind(9, message.Offset).Execute();
                state.Revision = message.Offset;
            }
            else
            {
                state.Total += message.Size;
                MessageRow.Bind(_insert, message)
                    .Bind(8, ++_seq).Bind(9, state.Id).Bind(10, message.Offset).Bind(11, state.Total).Execute();
                state.Head = message.Offset;
                Volatile.Write(ref state.LastSeq, _seq);
            }
        }

        return AppendOutcome.Appended;
    }

    /// <summary>
    /// Moves the channel's first offset; the rows go later. The oldest message that is within all limits ends it: where a clock was set
    /// back, an older one behind it stays until its turn comes. Does nothing in another epoch.
    /// </summary>
    public long Trim(ChannelId channel, string epoch, Retention retention)
    {
        State? state = Find(channel);
        if (state is null || state.Epoch != epoch)
        {
            return state?.First ?? 1;
        }

        long oldestTime = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch - retention.Age).Ticks / TimeSpan.TicksPerMillisecond;
        long before = state.First;
        if (!TrimIndexed(state, retention, oldestTime) && state.LastSeq > _indexed)
        {
            Index();
            TrimIndexed(state, retention, oldestTime);
        }

        int latest = 0;
        if (state.Revision > 0)
        {
            latest += _trimLatestByAge.Bind(1, state.Id).Bind(2, oldestTime).Execute();
            latest += _trimLatestByCount.Bind(1, state.Id).Bind(2, retention.Count).Execute();
        }

        if (state.First > before || latest > 0)
        {
            _trim.Bind(1, state.Id).Bind(2, state.Head).Bind(3, state.First).Bind(4, state.Base).Bind(5, state.Revision).Execute();
        }

        if (state.First > before)
        {
            _trimmed.Add(state.Id);
            _deadMessages += state.First - before;
        }

        return state.First;
    }

    /// <summary>Extends the index, and deletes what was trimmed, where enough has gathered. Each is a transaction of its own.</summary>
    public void Maintain(Action<Action> transact)
    {
        if (_recovering)
        {
            // What is counted here may be of the transaction that was rolled back.
            return;
        }

        if (_seq - _indexed >= IndexEvery)
        {
            transact(Index);
        }

        if (_deadMessages >= PurgeEvery || _deadBytes >= PurgeEveryBytes)
        {
            List<long> emptied = [];
            transact(() => Purge(emptied));
            _trimmed.ExceptWith(emptied);
            if (_trimmed.Count == 0)
            {
                (_deadMessages, _deadBytes) = (0, 0);
            }
        }
    }

    /// <summary>Begins the first transaction, and the first one after a rollback.</summary>
    public void RecoverIfNeeded(Action<Action> transact)
    {
        if (_recovering)
        {
            transact(() =>
            {
                ReadProgress();
                Index();
            });
            _recovering = false;
        }
    }

    /// <summary>The transaction is committed.</summary>
    public void Committed()
    {
        Volatile.Write(ref _committedIndexed, _indexed);

        // Only now: a channel that is not in the cache has no messages that the index lacks.
        if (_cached > CachedChannels && _indexed == _seq)
        {
            _cache.Clear();
            _cached = 0;
        }
    }

    /// <summary>The transaction is rolled back, and with it what the cache believes.</summary>
    public void Forget()
    {
        _recovering = true;
        _cache.Clear();
        _cached = 0;
    }

    public void Dispose()
    {
        foreach (SqliteStatement statement in (ReadOnlySpan<SqliteStatement>)
            [_find, _create, _renew, _newest, _newestRevision, _insert, _putLatest, _places, _trim, _trimLatestByAge, _trimLatestByCount,
             _index, _setIndexed, _progress, _allTrimmed, _dead, _deleteMessage, _deletePlaces])
        {
            statement.Dispose();
        }
    }

    static bool Follows(State state, IReadOnlyList<Message> messages)
    {
        (long head, long revision) = (state.Head, state.Revision);
        foreach (Message message in messages)
        {
            if (message.Delivery == Delivery.Latest)
            {
                if (message.Offset <= revision)
                {
                    return false;
                }

                revision = message.Offset;
            }
            else if (message.Offset != ++head)
            {
                return false;
            }
        }

        return true;
    }

    State? Find(ChannelId channel)
    {
        if (_cache.TryGetValue(channel, out State? state))
        {
            return state;
        }

        if (!_find.Bind(1, channel.ToString()).Step())
        {
            _find.Reset();
            return null;
        }

        state = new(_find.Int64(0), _find.Text(1)!)
        {
            Head = _find.Int64(2),
            First = _find.Int64(3),
            Base = _find.Int64(4),
            Total = _find.Int64(4),
            Revision = _find.Int64(5),
        };
        _find.Reset();
        if (_newest.Bind(1, state.Id).Step() && _newest.Int64(0) >= state.First)
        {
            (state.Head, state.Total) = (_newest.Int64(0), _newest.Int64(1));
        }

        _newest.Reset();
        if (_newestRevision.Bind(1, state.Id).Step())
        {
            // The maximum of no rows is NULL, which reads as 0.
            state.Revision = Math.Max(state.Revision, _newestRevision.Int64(0));
        }

        _newestRevision.Reset();
        return Remember(channel, state);
    }

    State Create(ChannelId channel)
    {
        string epoch = Epoch.New(channel);
        _create.Bind(1, channel.ToString()).Bind(2, epoch).Step();
        var state = new State(_create.Int64(0), epoch);
        _create.Reset();
        return Remember(channel, state);
    }

    State Remember(ChannelId channel, State state)
    {
        _cache[channel] = state;
        _cached++;
        return state;
    }

    /// <summary>Passes over what the limits exclude. Returns whether a message was found that they do not.</summary>
    bool TrimIndexed(State state, Retention retention, long oldestTime)
    {
        bool found = false;
        long @base = state.Base;
        _places.Bind(1, state.Id).Bind(2, state.First);
        while (!found && _places.Step())
        {
            long offset = _places.Int64(0);
            found = offset > state.Head - retention.Count
                && _places.Int64(1) >= oldestTime
                && state.Total - state.Base <= retention.Bytes;
            if (!found)
            {
                (state.First, state.Base) = (offset + 1, _places.Int64(2));
            }
        }

        _places.Reset();
        _deadBytes += state.Base - @base;
        return found;
    }

    void Index()
    {
        if (_seq > _indexed)
        {
            _index.Bind(1, _indexed).Execute();
            _setIndexed.Bind(1, _seq).Execute();
            _indexed = _seq;
        }
    }

    /// <summary>Messages that were trimmed at about the same time lie near each other, in whichever channels: sorted, they share pages.</summary>
    void Purge(List<long> emptied)
    {
        var rows = new List<long>(PurgeEvery);
        foreach (long channel in _trimmed)
        {
            if (rows.Count >= 2 * PurgeEvery)
            {
                break;
            }

            int room = (2 * PurgeEvery) - rows.Count, before = rows.Count;
            long last = 0;
            _dead.Bind(1, channel).Bind(2, room);
            while (_dead.Step())
            {
                last = _dead.Int64(0);
                rows.Add(_dead.Int64(1));
            }

            _dead.Reset();
            _deletePlaces.Bind(1, channel).Bind(2, last).Execute();
            if (rows.Count - before < room)
            {
                emptied.Add(channel);
            }
        }

        rows.Sort();
        foreach (long row in rows)
        {
            _deleteMessage.Bind(1, row).Execute();
        }
    }

    void ReadProgress()
    {
        _progress.Step();
        (_indexed, _seq) = (_progress.Int64(0), Math.Max(_progress.Int64(0), _progress.Int64(1)));
        _progress.Reset();
    }

    /// <summary>What an earlier process trimmed and did not delete any more.</summary>
    void ReadTrimmed()
    {
        while (_allTrimmed.Step())
        {
            _trimmed.Add(_allTrimmed.Int64(0));
            _deadMessages = PurgeEvery;
        }

        _allTrimmed.Reset();
    }

    /// <summary>A channel as of this transaction.</summary>
    sealed class State(long id, string epoch)
    {
        /// <summary>The newest row of <c>messages</c> that this process appended for the channel.</summary>
        public long LastSeq;

        public long Id { get; } = id;

        public string Epoch { get; set; } = epoch;

        public long Head { get; set; }

        public long First { get; set; } = 1;

        public long Revision { get; set; }

        /// <summary>Bytes of all messages ever appended, and of those before <see cref="First"/>.</summary>
        public long Total { get; set; }

        public long Base { get; set; }
    }
}
