using OrleansRealtime.Client.Messages;

namespace OrleansRealtime.Client.Feeds;

/// <summary>
/// One reader of a feed. It is handed live messages while its buffer has room. When it has not, it falls behind: what is kept in the log it reads
/// from the history, page by page, until nothing has come meanwhile; of values it gets the newest; transient messages it misses.
/// </summary>
sealed class FeedReader(MessageFeed feed, IFeedSource source, int buffer)
{
    const int PageSize = 100;

    // All under the feed's lock, but for Read.
    readonly Queue<RealtimeMessage> _live = new();
    readonly HashSet<string> _values = [];
    readonly Queue<RealtimeMessage> _page = new();
    Cursor? _last;
    bool _behind, _missed, _ended;
    Exception? _error;
    TaskCompletionSource? _news;

    /// <summary>What the application has read, or where it began. Set by the reader alone.</summary>
    public Cursor? Read { get; set; }

    /// <param name="values">Keys whose newest value comes first.</param>
    public void BeginLocked(Cursor? begin, bool behind, IEnumerable<string> values)
    {
        _last = Read = begin;
        _behind = behind;
        _values.UnionWith(values);
    }

    public void OfferLocked(RealtimeMessage message)
    {
        if (message.Place is { } place)
        {
            if (_last is { } last && last.Covers(place))
            {
                return;
            }

            if (_behind || _live.Count >= buffer)
            {
                FallBehindLocked(place);
                return;
            }

            _last = place;
        }
        else if (_behind || _live.Count >= buffer)
        {
            if (message.Key is { } key)
            {
                _values.Add(key);
                Wake();
            }

            return;
        }

        _live.Enqueue(message);
        Wake();
    }

    /// <param name="missed">What the reader is not handed.</param>
    public void FallBehindLocked(Cursor missed)
    {
        _last ??= missed with { Offset = missed.Offset - 1 };
        _behind = _missed = true;
        Wake();
    }

    public void EndLocked(Exception? error)
    {
        _ended = true;
        _error = error;
        Wake();
    }

    /// <summary>The next message; null when there will be none any more.</summary>
    public async ValueTask<RealtimeMessage?> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Task news = Task.CompletedTask;
            Cursor? after = null;
            RealtimeMessage? undecoded = null;
            lock (feed.Lock)
            {
                // A page is read when no live message is left; those that come after it are later ones.
                bool inPage = _page.TryDequeue(out undecoded);
                if (!inPage && _live.TryDequeue(out var next))
                {
                    return next;
                }

                if (!inPage && _values.Count > 0)
                {
                    string key = _values.First();
                    _values.Remove(key);
                    if (feed.ValueLocked(key) is { } value)
                    {
                        return value;
                    }

                    continue;
                }

                if (inPage)
                {
                    // Decoded below, outside of the lock.
                }
                else if (_ended)
                {
                    return _error is null ? null : throw _error;
                }
                else if (_behind && _last is { } last)
                {
                    _missed = false;
                    after = last;
                }
                else
                {
                    news = (_news ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                }
            }

            if (undecoded is not null)
            {
                if (await source.DecodeAsync(undecoded, live: false) is { } decoded)
                {
                    return decoded;
                }
            }
            else if (after is { } cursor)
            {
                await ReadPageAsync(cursor, cancellationToken);
            }
            else
            {
                await news.WaitAsync(cancellationToken);
            }
        }
    }

    async Task ReadPageAsync(Cursor after, CancellationToken cancellationToken)
    {
        MessagePage page;
        try
        {
            page = await source.ReadAsync(after, PageSize, cancellationToken);
        }
        catch (RealtimeClientException exception) when (exception.Code == RealtimeClientErrors.Closed)
        {
            // So has the feed.
            return;
        }

        if (!page.Recovered)
        {
            feed.ReportGap(page.Messages is [{ Place: { } first }, ..] ? first with { Offset = first.Offset - 1 } : Cursor.Parse(page.Cursor));
        }

        lock (feed.Lock)
        {
            foreach (var message in page.Messages)
            {
                _page.Enqueue(message);
            }

            _last = Cursor.Parse(page.Cursor);
            if (!page.More && !_missed)
            {
                _behind = false;
            }
        }
    }

    void Wake()
    {
        _news?.TrySetResult();
        _news = null;
    }
}
