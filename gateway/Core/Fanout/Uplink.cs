using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// The gateway's way up to one channel's grain: publications, interest and presence, gathered into batches. One call is in flight,
/// so that everything arrives in the order in which it was given here, and a busy channel costs few calls.
/// </summary>
/// <param name="channel">Whose grain it calls.</param>
/// <param name="gateway">Who calls.</param>
/// <param name="calls">Those of all uplinks.</param>
/// <param name="grain">The grain.</param>
/// <param name="passOn">Passes on to the connections here what has been published and does not come through the mailbox.</param>
/// <param name="time">Times calls and pauses.</param>
/// <param name="logger">Where failures are logged.</param>
sealed class Uplink(
    ChannelId channel,
    GatewayIdentity gateway,
    UplinkCalls calls,
    Func<IChannelGrain> grain,
    Func<ChannelMessages, Task> passOn,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>Publications of one call at most.</summary>
    const int BatchCount = 256;

    /// <summary>Bytes of data of one call at most; one publication may exceed it.</summary>
    const int BatchBytes = 1 << 20;

    /// <summary>Publications, and bytes of their data, that may wait here; beyond it they are refused as overloaded.</summary>
    const int WaitingCount = 10_000, WaitingBytes = 16 << 20;

    /// <summary>How often one call after another may find the channel's owner gone before those who publish are told.</summary>
    const int MovesInARow = 3;

    /// <summary>How long a failed declaration waits before it is repeated.</summary>
    static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(500);

    readonly Lock _lock = new();
    readonly Queue<(Publication Publication, TaskCompletionSource<PublishResult> Done)> _publications = new();
    Dictionary<string, PresenceCount> _presence = [];
    IChannelGrain? _grain;
    List<TaskCompletionSource<ChannelHead>> _declared = [];
    bool? _interested;
    Cursor? _position;
    bool _presenceIsComplete;
    int _waitingBytes;
    int _moves;
    bool _sending;
    bool _used;
    bool _failing;
    bool _closed;

    /// <summary>Queues a publication, unless too much waits already. Null where the uplink has been closed: get a new one.</summary>
    public Task<PublishResult>? Publish(Publication publication)
    {
        var done = new TaskCompletionSource<PublishResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_closed)
            {
                return null;
            }

            int bytes = publication.Data.Bytes.Length;
            if (_publications.Count > 0 && (_publications.Count >= WaitingCount || _waitingBytes + bytes > WaitingBytes))
            {
                return Task.FromResult(new PublishResult(PublishStatus.Overloaded, "", 0, 0, false));
            }

            _waitingBytes += bytes;
            _publications.Enqueue((publication, done));
            Start();
        }

        return done.Task;
    }

    /// <summary>Says how many connections there are now; only the last word on each key is sent.</summary>
    public bool SetPresence(PresenceCount count)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            _presence[count.Key] = count;
            Start();
            return true;
        }
    }

    /// <summary>
    /// Says whether the gateway wants the channel's events, how far it has passed the log on, and who is there through it, where
    /// these are given; completes with the channel's head. A declaration is repeated until it arrives.
    /// </summary>
    public Task<ChannelHead>? Declare(bool interested, IReadOnlyCollection<PresenceCount>? completePresence = null, Cursor? position = null)
    {
        var declared = new TaskCompletionSource<ChannelHead>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_closed)
            {
                return null;
            }

            _interested = interested;
            _position = position ?? _position;
            _declared.Add(declared);
            if (completePresence is not null)
            {
                _presence = completePresence.ToDictionary(p => p.Key);
                _presenceIsComplete = true;
            }

            Start();
        }

        return declared.Task;
    }

    /// <summary>Closes the uplink where nothing has been under way since this was called last.</summary>
    public bool TryClose()
    {
        lock (_lock)
        {
            _closed = !_sending && !_used;
            _used = false;
            return _closed;
        }
    }

    bool HasPublications
    {
        get
        {
            lock (_lock)
            {
                return _publications.Count > 0;
            }
        }
    }

    /// <summary>Under the lock.</summary>
    void Start()
    {
        if (_sending)
        {
            return;
        }

        _sending = _used = true;

        // Not on the caller's thread: what others give meanwhile joins the batch.
        ThreadPool.UnsafeQueueUserWorkItem(static self => _ = self.SendAsync(), this, preferLocal: true);
    }

    async Task SendAsync()
    {
        var waiting = new List<TaskCompletionSource<PublishResult>>();
        while (TryTake(waiting, out var batch, out var declared))
        {
            try
            {
                long began = time.GetTimestamp();
                var result = await SubmitAsync(batch);
                _failing = false;
                if (result.ByAnswer)
                {
                    await PassOnAsync(batch, result);
                }

                Answer(batch, waiting, result.Published);
                foreach (var each in declared)
                {
                    each.TrySetResult(result.Head);
                }

                if (waiting.Count > 1 || HasPublications)
                {
                    await calls.GiveWayAsync(time.GetElapsedTime(began));
                }
            }
            catch (Exception exception)
            {
                // Whether the publications were kept is not known: their publishers may repeat them under the same message ids.
                if (!_failing)
                {
                    _failing = true;
                    UplinkLog.Failed(logger, channel, exception);
                }

                foreach (var each in waiting)
                {
                    each.SetResult(new(PublishStatus.Unavailable, "", 0, 0, false));
                }

                if (Restore(batch, declared))
                {
                    await Task.Delay(RetryDelay, time);
                }
            }
        }
    }

    /// <summary>
    /// Tells who has published. Where the channel has another owner by now, as it may after a silo has come or gone, what is not kept goes to that one, before all that waits here.
    /// </summary>
    void Answer(GatewayBatch batch, List<TaskCompletionSource<PublishResult>> waiting, PublishResult[] results)
    {
        List<(Publication Publication, TaskCompletionSource<PublishResult> Done)>? notKept = null;
        for (int i = 0; i < results.Length; i++)
        {
            if (results[i].Status == PublishStatus.NotKept && _moves + 1 < MovesInARow)
            {
                (notKept ??= []).Add((batch.Publications[i], waiting[i]));
            }
            else
            {
                waiting[i].SetResult(results[i]);
            }
        }

        _moves = notKept is null ? 0 : _moves + 1;
        if (notKept is not null)
        {
            PutFirst(notKept);
        }
    }

    void PutFirst(List<(Publication Publication, TaskCompletionSource<PublishResult> Done)> publications)
    {
        lock (_lock)
        {
            _waitingBytes += publications.Sum(p => p.Publication.Data.Bytes.Length);
            publications.AddRange(_publications);
            _publications.Clear();
            publications.ForEach(_publications.Enqueue);
        }
    }

    /// <summary>Before the next call, so that what is published here is passed on in order.</summary>
    Task PassOnAsync(GatewayBatch batch, GatewayBatchResult result)
    {
        var messages = new List<Message>(batch.Publications.Length);
        for (int i = 0; i < result.Published.Length; i++)
        {
            if (result.Published[i] is { Status: PublishStatus.Accepted, Duplicate: false } published)
            {
                messages.Add(batch.Publications[i].ToMessage(published.Offset, published.Time));
            }
        }

        return passOn(new(channel, result.Published[0].Epoch, new(messages)));
    }

    async Task<GatewayBatchResult> SubmitAsync(GatewayBatch batch)
    {
        calls.Begin();
        try
        {
            return await (_grain ??= grain()).Submit(batch);
        }
        finally
        {
            calls.End();
        }
    }

    bool TryTake(
        List<TaskCompletionSource<PublishResult>> waiting, out GatewayBatch batch, out List<TaskCompletionSource<ChannelHead>> declared)
    {
        waiting.Clear();
        lock (_lock)
        {
            if (_publications.Count == 0 && _presence.Count == 0 && _interested is null && !_presenceIsComplete)
            {
                _sending = false;
                (batch, declared) = (null!, null!);
                return false;
            }

            int bytes = 0;
            var publications = new List<Publication>(Math.Min(_publications.Count, BatchCount));
            while (waiting.Count < BatchCount && _publications.TryPeek(out var next)
                && (waiting.Count == 0 || bytes + next.Publication.Data.Bytes.Length <= BatchBytes))
            {
                _publications.Dequeue();
                publications.Add(next.Publication);
                waiting.Add(next.Done);
                bytes += next.Publication.Data.Bytes.Length;
            }

            _waitingBytes -= bytes;
            batch = new(
                gateway.Id, _interested, [.. publications], [.. _presence.Values], _presenceIsComplete, _position, gateway.Lease,
                gateway.NextBatch(), publications is [{ Delivery: Delivery.Durable }] && _publications.Count == 0 && !calls.AreMany);
            declared = _declared;
            if (_presence.Count > 0)
            {
                _presence = [];
            }

            if (declared.Count > 0)
            {
                _declared = [];
            }

            _interested = null;
            _position = null;
            _presenceIsComplete = false;
            return true;
        }
    }

    /// <summary>Puts back what must arrive, under what has been said since. Returns whether there was anything.</summary>
    bool Restore(GatewayBatch batch, List<TaskCompletionSource<ChannelHead>> declared)
    {
        lock (_lock)
        {
            foreach (var count in batch.Presence)
            {
                if (!_presenceIsComplete)
                {
                    _presence.TryAdd(count.Key, count);
                }
            }

            _presenceIsComplete |= batch.PresenceIsComplete;
            _interested ??= batch.Interested;
            _position ??= batch.Position;
            _declared.InsertRange(0, declared);
            return _presence.Count > 0 || _interested is not null || _presenceIsComplete;
        }
    }
}

static partial class UplinkLog
{
    [LoggerMessage(1, LogLevel.Warning, "{Channel} could not be reached. Said once until it is reached again.")]
    public static partial void Failed(ILogger logger, ChannelId channel, Exception exception);
}
