using System.Runtime.CompilerServices;
using OrleansRealtime.Client.Messages;

namespace OrleansRealtime.Client.Feeds;

/// <summary>What a feed needs of the client.</summary>
interface IFeedSource
{
    /// <summary>A page after a cursor, as soon as there is a connection.</summary>
    Task<MessagePage> ReadAsync(Cursor after, int limit, CancellationToken cancellationToken);

    /// <summary>Decrypts; null where the message is not for the application. Called for one message after another.</summary>
    ValueTask<RealtimeMessage?> DecodeAsync(RealtimeMessage message, bool live);

    /// <summary>Whether <see cref="DecodeAsync"/> may have to wait.</summary>
    bool Decodes { get; }

    /// <summary>How far the application has read, to be kept for the next start.</summary>
    void OnRead(Cursor cursor);

    void OnGap(MessageGap gap);
}

/// <summary>
/// How far the application has read something: a room, its inbox, or what one user has sent it. Who reads again after having stopped goes on
/// there; who reads beside somebody else begins now. Guarded by the feed's lock.
/// </summary>
sealed class ReadPosition
{
    /// <summary>Null before anything has been read.</summary>
    public Cursor? Cursor { get; set; }

    public int Readers { get; set; }
}

/// <summary>
/// One channel's messages: passes on what comes live, each place once, and gives the others from the history to readers who were slower, or
/// who begin earlier. Nothing here waits for a reader, and what waits for one is bounded.
/// </summary>
/// <param name="buffer">Messages that may wait for one reader, or to be decrypted.</param>
sealed class MessageFeed(string? room, int buffer, IFeedSource source)
{
    /// <summary>Keys whose newest value is known. Beyond it the oldest is forgotten, and may then be seen twice.</summary>
    const int MaxValues = 10_000;

    readonly Lock _lock = new();
    readonly List<FeedReader> _readers = [];
    readonly Dictionary<string, (long? Revision, DateTimeOffset Time)> _revisions = [];
    readonly Dictionary<string, RealtimeMessage> _values = [];
    readonly Queue<RealtimeMessage> _undecoded = new();

    // What has come from the server; what has been passed on to the readers, or left for them to read from the history; where it began.
    Cursor? _received, _settled, _start;

    // Before this place something was missing, since delivery was last resumed.
    Cursor? _hole;

    // How far reading is known to the store.
    Cursor? _kept;
    string? _gap;
    bool _decoding;

    public Lock Lock => _lock;

    public ReadPosition Position { get; } = new();

    /// <summary>Where delivery is to go on after a lost connection.</summary>
    public Cursor? Received
    {
        get
        {
            lock (_lock)
            {
                return _received;
            }
        }
    }

    /// <summary>Goes on where an earlier run of the application has stopped reading, or where it says. Before anything has come.</summary>
    public void Restore(Cursor cursor)
    {
        lock (_lock)
        {
            _received ??= cursor;
            _settled ??= cursor;
            _start ??= cursor;
        }
    }

    /// <summary>Delivery has begun without a cursor, after this place.</summary>
    public void Begin(Cursor start)
    {
        lock (_lock)
        {
            _start ??= start;
            _received ??= start;
            _settled ??= start;
        }
    }

    /// <summary>Delivery goes on, and all that followed the cursor has come.</summary>
    /// <param name="position">What came before it has been sent, or is gone.</param>
    public void Resumed(Cursor position, bool recovered)
    {
        if (recovered)
        {
            return;
        }

        MessageGap? gap;
        lock (_lock)
        {
            gap = _gap is null ? GapTo(_hole ?? position, "not_recovered") : null;
            if (_received is not { } received || !received.Covers(position))
            {
                _received = position;
                SettleLocked(position);
            }
        }

        Report(gap);
    }

    /// <summary>The server says that messages are gone.</summary>
    public void OnGap(MessageGap gap)
    {
        MessageGap? news;
        var position = Cursor.Parse(gap.Cursor);
        lock (_lock)
        {
            bool passed = _received is { } received && received.Covers(position);
            news = passed && _gap is not null ? null : GapTo(passed ? _hole ?? position : position, gap.Reason);
            if (!passed)
            {
                _received = position;
                SettleLocked(position);
            }
        }

        Report(news);
    }

    /// <summary>As messages come from the server, one after the other.</summary>
    /// <param name="taken">It has its place, but is not for the readers.</param>
    public void OnMessage(RealtimeMessage message, bool taken = false)
    {
        bool decode = false;
        lock (_lock)
        {
            if (message.Place is { } place)
            {
                if (_received is { } received)
                {
                    if (received.Covers(place))
                    {
                        return;
                    }

                    if (received.Epoch != place.Epoch || place.Offset > received.Offset + 1)
                    {
                        // Whether anything is gone the readers find out from the history.
                        _hole = place with { Offset = place.Offset - 1 };
                        _readers.ForEach(r => r.FallBehindLocked(place));
                    }

                    if (received.Epoch != place.Epoch)
                    {
                        _revisions.Clear();
                    }
                }
                else
                {
                    _start ??= place with { Offset = place.Offset - 1 };
                }

                _received = place;
            }
            else if (message.Key is { } key && !TryTakeRevision(key, message))
            {
                return;
            }

            if (taken)
            {
                if (message.Place is { } over)
                {
                    SettleLocked(over);
                }
            }
            else if (!source.Decodes)
            {
                DispatchLocked(message);
            }
            else if (_undecoded.Count < buffer)
            {
                _undecoded.Enqueue(message);
                decode = !_decoding;
                _decoding = true;
            }
            else if (message.Place is { } skipped)
            {
                SettleLocked(skipped);
                _readers.ForEach(r => r.FallBehindLocked(skipped));
            }
        }

        if (decode)
        {
            _ = Task.Run(DecodeAsync);
        }
    }

    /// <summary>A new connection begins: a gap that follows is news.</summary>
    public void Resuming()
    {
        lock (_lock)
        {
            _gap = null;
            _hole = null;
        }
    }

    /// <summary>All readers have read their last message. They fail where there is an error.</summary>
    public void End(Exception? error)
    {
        lock (_lock)
        {
            _readers.ForEach(r => r.EndLocked(error));
        }
    }

    /// <summary>Reads on from the position, or from a cursor.</summary>
    public async IAsyncEnumerable<RealtimeMessage> ReadAllAsync(
        ReadPosition position, string? after, Func<RealtimeMessage, bool>? filter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = new FeedReader(this, source, buffer);
        Add(reader, position, after is null ? null : Cursor.Parse(after));
        try
        {
            while (await reader.NextAsync(cancellationToken) is { } message)
            {
                reader.Read = message.Place ?? reader.Read;
                if (filter?.Invoke(message) ?? true)
                {
                    yield return message;
                }

                // Whoever asks for the next one is done with this one.
                KeepPosition();
            }
        }
        finally
        {
            Remove(reader, position);
        }
    }

    /// <summary>For a reader that has found it in the history.</summary>
    public void ReportGap(Cursor position)
    {
        MessageGap? gap;
        lock (_lock)
        {
            gap = GapTo(position, "not_recovered");
        }

        Report(gap);
    }

    /// <summary>The newest value of a key, under the lock.</summary>
    public RealtimeMessage? ValueLocked(string key) => _values.GetValueOrDefault(key);

    void Add(FeedReader reader, ReadPosition position, Cursor? after)
    {
        lock (_lock)
        {
            bool alone = position.Readers++ == 0;
            var begin = after ?? (alone ? position.Cursor ?? _start : _settled);
            bool behind = begin is { } place && _settled is { } settled && !place.Covers(settled);
            reader.BeginLocked(begin, behind, position.Cursor is null && alone ? _values.Keys : []);
            _readers.Add(reader);
        }
    }

    void Remove(FeedReader reader, ReadPosition position)
    {
        lock (_lock)
        {
            KeepPosition();
            _readers.Remove(reader);
            if (--position.Readers == 0)
            {
                position.Cursor = reader.Read;
            }
        }
    }

    /// <summary>The next start of the application goes on where the slowest reader is.</summary>
    void KeepPosition()
    {
        lock (_lock)
        {
            Cursor? slowest = null;
            foreach (var reader in _readers)
            {
                if (reader.Read is not { } read)
                {
                    return;
                }

                slowest = slowest is not { } other || other.Covers(read) || read.Epoch != _received?.Epoch ? read : slowest;
            }

            if (slowest is { } position && position != _kept)
            {
                _kept = slowest;
                source.OnRead(position);
            }
        }
    }

    async Task DecodeAsync()
    {
        while (true)
        {
            RealtimeMessage? message;
            lock (_lock)
            {
                if (!_undecoded.TryPeek(out message))
                {
                    _decoding = false;
                    return;
                }
            }

            var decoded = await source.DecodeAsync(message, live: true);
            lock (_lock)
            {
                _undecoded.Dequeue();
                if (decoded is not null)
                {
                    DispatchLocked(decoded);
                }
                else if (message.Place is { } place)
                {
                    SettleLocked(place);
                }
            }
        }
    }

    void DispatchLocked(RealtimeMessage message)
    {
        if (message is { Key: { } key, Place: null })
        {
            _values[key] = message;
        }

        foreach (var reader in _readers)
        {
            reader.OfferLocked(message);
        }

        if (message.Place is { } place)
        {
            SettleLocked(place);
        }
    }

    void SettleLocked(Cursor place)
    {
        if (_settled is not { } settled || !settled.Covers(place))
        {
            _settled = place;
        }
    }

    /// <summary>False for a value that came before: they are all sent again when delivery is resumed.</summary>
    bool TryTakeRevision(string key, RealtimeMessage message)
    {
        var revision = (message.Revision, message.Time);
        if (_revisions.TryGetValue(key, out var known) && known == revision)
        {
            return false;
        }

        if (_revisions.Count >= MaxValues && !_revisions.ContainsKey(key))
        {
            string oldest = _revisions.Keys.First();
            _revisions.Remove(oldest);
            _values.Remove(oldest);
        }

        _revisions[key] = revision;
        return true;
    }

    MessageGap? GapTo(Cursor position, string reason)
    {
        string cursor = position.ToString();
        if (_gap == cursor)
        {
            return null;
        }

        _gap = cursor;
        return new(room, reason, cursor);
    }

    void Report(MessageGap? gap)
    {
        if (gap is not null)
        {
            source.OnGap(gap);
        }
    }
}
