using Microsoft.Extensions.Logging;
using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>An entry of a queue, read and not yet removed from it.</summary>
/// <param name="StreamId">The mailbox it is for.</param>
/// <param name="Events">As <see cref="QueuedBatch"/> takes them.</param>
/// <param name="Id">Its id in the queue.</param>
/// <param name="Queue">Told when the entry is done with.</param>
readonly record struct QueueEntry(StreamId StreamId, byte[] Events, string Id, IQueueEntries Queue);

/// <summary>The queue that entries came from.</summary>
interface IQueueEntries
{
    /// <summary>The entry was delivered, or dropped, and is to be removed. Never blocks.</summary>
    void Done(string id);
}

/// <summary>
/// Reads one queue for as long as this silo is its reader, and hands every entry on at once: it never waits for a gateway. An entry
/// stays in the queue until it is done with, so that the silo that reads the queue next, after whatever has happened to this one, begins with
/// all that was not delivered and little that was.
/// </summary>
sealed partial class QueueReader : IQueueEntries, IAsyncDisposable
{
    public const string NamespaceField = "ns";
    public const string KeyField = "key";
    public const string EventsField = "events";

    /// <summary>How long Redis holds a read when there is nothing. An idle queue costs one command in this time.</summary>
    static readonly TimeSpan Block = TimeSpan.FromSeconds(2);

    /// <summary>Entries of one read. Few, because an entry may have a megabyte.</summary>
    const int ReadCount = 64;

    /// <summary>How long entries that are done with are gathered before they are removed together.</summary>
    static readonly TimeSpan RemovalDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>Pause after a failure, here and in removing.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    const int RemovalCount = 500;

    readonly RedisConnection _redis;
    readonly string _queue;
    readonly RedisKey _key;
    readonly Action<QueueEntry> _post;
    readonly ILogger _logger;
    readonly CancellationTokenSource _stopped = new();
    readonly Task _reading;
    readonly Lock _lock = new();

    /// <summary>Ids of entries that were read and are not yet removed: after an outage the queue is read from its beginning again.</summary>
    readonly HashSet<string> _held = [];
    readonly List<string> _done = [];
    bool _removing;
    bool _away;

    public QueueReader(RedisConnection redis, string queue, Action<QueueEntry> post, ILogger logger)
    {
        _redis = redis;
        _queue = queue;
        _key = new RedisKeys(redis.Options.KeyPrefix).MailboxQueue(queue);
        _post = post;
        _logger = logger;
        _reading = Task.Run(ReadAsync);
    }

    public void Done(string id)
    {
        lock (_lock)
        {
            _done.Add(id);
            if (_removing)
            {
                return;
            }

            _removing = true;
        }

        _ = RemoveAsync();
    }

    /// <summary>Ends reading at once. What was read is still removed when it is done with.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopped.CancelAsync();
        await _reading;
    }

    async Task ReadAsync()
    {
        ConnectionMultiplexer? connection = null;
        try
        {
            string last = "0-0";
            while (!_stopped.IsCancellationRequested)
            {
                try
                {
                    connection ??= await _redis.ConnectForBlockingAsync($"mailbox-{_queue}", Block);
                    var answer = await connection.GetDatabase()
                        .ExecuteAsync("XREAD", "COUNT", ReadCount, "BLOCK", (long)Block.TotalMilliseconds, "STREAMS", _key, last)
                        .WaitAsync(_stopped.Token);
                    if (_away)
                    {
                        _away = false;
                        Back(_queue);
                    }

                    last = Hand(answer) ?? last;
                }
                catch (Exception exception) when (!_stopped.IsCancellationRequested)
                {
                    if (!_away)
                    {
                        _away = true;
                        Away(_queue, exception);
                    }

                    // From the beginning: it may be another Redis that comes back, with ids of its own.
                    last = "0-0";
                    await Task.Delay(Pause, _stopped.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
        {
            // Another silo reads on.
        }
        finally
        {
            if (connection is not null)
            {
                // The read that may still be held is of no interest.
                await connection.CloseAsync(allowCommandsToComplete: false);
                await connection.DisposeAsync();
            }
        }
    }

    /// <summary>Hands the entries on, and returns the id of the last one.</summary>
    string? Hand(RedisResult answer)
    {
        if (answer.IsNull)
        {
            return null;
        }

        // RESP2 answers with a list of pairs, RESP3 with a map, which arrives as key, value, key, value.
        var streams = (RedisResult[])answer!;
        var entries = streams[0].Resp2Type == ResultType.Array ? (RedisResult[])streams[0][1]! : (RedisResult[])streams[1]!;
        string? last = null;
        foreach (var entry in entries)
        {
            last = (string)entry[0]!;
            lock (_lock)
            {
                if (!_held.Add(last))
                {
                    continue;
                }
            }

            if (Parse(last, entry[1]) is { } parsed)
            {
                _post(parsed);
            }
            else
            {
                Done(last);
            }
        }

        return last;
    }

    QueueEntry? Parse(string id, RedisResult fields)
    {
        byte[]? space = null, key = null, events = null;
        for (int i = 0; i + 1 < fields.Length; i += 2)
        {
            switch ((string?)fields[i])
            {
                case NamespaceField:
                    space = (byte[]?)fields[i + 1];
                    break;
                case KeyField:
                    key = (byte[]?)fields[i + 1];
                    break;
                case EventsField:
                    events = (byte[]?)fields[i + 1];
                    break;
            }
        }

        return space is null || key is null || events is null ? null : new QueueEntry(StreamId.Create(space, key), events, id, this);
    }

    async Task RemoveAsync()
    {
        var wait = RemovalDelay;
        while (true)
        {
            await Task.Delay(wait);
            string[] ids;
            lock (_lock)
            {
                ids = [.. _done.Take(RemovalCount)];
                if (ids.Length == 0)
                {
                    _removing = false;
                    return;
                }
            }

            try
            {
                await _redis.Database.StreamDeleteAsync(_key, Array.ConvertAll(ids, static id => (RedisValue)id));
            }
            catch (Exception exception) when (exception is RedisException or TimeoutException or ObjectDisposedException)
            {
                if (_stopped.IsCancellationRequested)
                {
                    return;
                }

                // The reader tells of the outage. What is delivered twice for want of a removal does no harm.
                wait = Pause;
                continue;
            }

            wait = ids.Length < RemovalCount ? RemovalDelay : TimeSpan.Zero;
            lock (_lock)
            {
                _done.RemoveRange(0, ids.Length);
                _held.ExceptWith(ids);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Mailbox queue {Queue} cannot be read; it is tried again until Redis answers.")]
    partial void Away(string queue, Exception exception);

    [LoggerMessage(2, LogLevel.Information, "Mailbox queue {Queue} can be read again.")]
    partial void Back(string queue);
}
