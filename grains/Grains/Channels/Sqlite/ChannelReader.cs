using Microsoft.Data.Sqlite;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>Reads logs on one connection, for one thread at a time.</summary>
internal sealed class ChannelReader : IDisposable
{
    readonly SqliteStatement? _begin;
    readonly SqliteStatement? _end;
    readonly SqliteStatement _find;
    readonly SqliteStatement _indexed;
    readonly SqliteStatement _unindexed;
    readonly SqliteStatement _latest;

    /// <param name="connection">Where to read.</param>
    /// <param name="inTransaction">True where the caller has a transaction open; else every read takes a snapshot of its own.</param>
    public ChannelReader(SqliteConnection connection, bool inTransaction)
    {
        if (!inTransaction)
        {
            _begin = new(connection, "BEGIN");
            _end = new(connection, "COMMIT");
        }

        _find = new(connection, "SELECT id, first FROM channels WHERE name = ?1 AND epoch = ?2");

        // A CROSS JOIN is done in the order written: the places of the channel, and for each its message.
        _indexed = new(connection, $"""
            SELECT {MessageRow.Columns} FROM places p CROSS JOIN messages m ON m.seq = p.seq
            WHERE p.channel = ?1 AND p.offset > ?2 ORDER BY p.offset LIMIT ?3
            """);
        _unindexed = new(connection, $"""
            SELECT {MessageRow.Columns} FROM messages m
            WHERE m.seq > (SELECT indexed FROM progress) AND m.channel = ?1 AND m.offset > ?2 ORDER BY m.seq LIMIT ?3
            """);
        _latest = new(connection, $"SELECT {MessageRow.LatestColumns} FROM latest m WHERE channel = ?1 AND revision > ?2 ORDER BY revision");
    }

    /// <param name="mayBeUnindexed">As <see cref="ChannelTables.MayBeUnindexed"/> said before.</param>
    public IReadOnlyList<Message> Read(ChannelId channel, string epoch, long after, int maxCount, int maxBytes, bool mayBeUnindexed) =>
        Snapshot(() =>
        {
            List<Message> messages = [];
            if (Find(channel, epoch) is var (id, first))
            {
                after = Math.Max(after, first - 1);
                long bytes = maxBytes;
                if (Collect(_indexed, id, after, maxCount, ref bytes, messages) && mayBeUnindexed)
                {
                    after = messages is [.., Message last] ? last.Offset : after;
                    Collect(_unindexed, id, after, maxCount, ref bytes, messages);
                }
            }

            return messages;
        });

    public IReadOnlyList<Message> ReadLatest(ChannelId channel, string epoch, long afterRevision) =>
        Snapshot(() =>
        {
            List<Message> messages = [];
            if (Find(channel, epoch) is var (id, _))
            {
                _latest.Bind(1, id).Bind(2, afterRevision);
                while (_latest.Step())
                {
                    messages.Add(MessageRow.Read(_latest, Delivery.Latest));
                }

                _latest.Reset();
            }

            return messages;
        });

    public void Dispose()
    {
        _begin?.Dispose();
        _end?.Dispose();
        _find.Dispose();
        _indexed.Dispose();
        _unindexed.Dispose();
        _latest.Dispose();
    }

    /// <summary>Returns whether there is room for more.</summary>
    static bool Collect(SqliteStatement rows, long channel, long after, int maxCount, ref long bytes, List<Message> messages)
    {
        rows.Bind(1, channel).Bind(2, after).Bind(3, maxCount - messages.Count);
        try
        {
            while (rows.Step())
            {
                Message message = MessageRow.Read(rows, Delivery.Durable);
                bytes -= message.Size;
                if (bytes < 0 && messages.Count > 0)
                {
                    return false;
                }

                messages.Add(message);
            }

            return bytes > 0 && messages.Count < maxCount;
        }
        finally
        {
            rows.Reset();
        }
    }

    (long Id, long First)? Find(ChannelId channel, string epoch)
    {
        (long Id, long First)? found = _find.Bind(1, channel.ToString()).Bind(2, epoch).Step() ? (_find.Int64(0), _find.Int64(1)) : null;
        _find.Reset();
        return found;
    }

    T Snapshot<T>(Func<T> read)
    {
        _begin?.Execute();
        try
        {
            return read();
        }
        finally
        {
            _end?.Execute();
        }
    }
}
