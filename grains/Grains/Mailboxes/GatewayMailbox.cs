using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>
/// What waits for one gateway. Usually that is a batch of each silo at most, since an outbox sends its next when the last was delivered; but one that has waited
/// for too long sends again. Hence it is bounded: the oldest batches go first, and the next one that the gateway gets says so.
/// </summary>
sealed class GatewayMailbox(StreamId streamId)
{
    /// <summary>Sends that a pulling agent delivers in one call, and that are done with together.</summary>
    public const int DeliveredTogether = 32;

    /// <summary>Sends that may wait.</summary>
    public const int MaxSends = 256;

    readonly Lock _lock = new();
    readonly List<(QueuedBatch Batch, TaskCompletionSource Delivered)> _waiting = [];
    readonly List<Reader> _readers = [];
    Action? _changed;
    long _next = 1;

    /// <summary>The newest batch that the agent was rung for.</summary>
    long _rungFor;

    /// <summary>Something was dropped that no reader has been told of.</summary>
    bool _lost;
    bool _rung;
    bool _read;
    bool _closed;
    bool _stopped;

    public StreamId StreamId => streamId;

    /// <summary>When the mailbox's grain was called last. Under the lock of <see cref="MailboxLanes"/>.</summary>
    public long GrainCalled { get; set; }

    /// <summary>Whether its agent had readers for it and has none any more: the gateway's subscription is gone.</summary>
    public bool IsAbandoned
    {
        get
        {
            lock (_lock)
            {
                return _read && _readers.Count == 0;
            }
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Count;
            }
        }
    }

    /// <summary>Completes when the batches were delivered, or dropped.</summary>
    /// <exception cref="OrleansException">The silo stops, and they were not delivered.</exception>
    public Task PostAsync(MailboxBatch[] batches)
    {
        var delivered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Action? changed;
        lock (_lock)
        {
            if (_closed)
            {
                return _stopped ? Task.FromException(NotDelivered()) : Task.CompletedTask;
            }

            if (_waiting.Count == MaxSends)
            {
                DropOldest();
            }

            _waiting.Add((new(streamId, batches, _next++), delivered));
            _rung = false;
            changed = _changed;
        }

        changed?.Invoke();
        return delivered.Task;
    }

    /// <summary>A lane is to be told of what comes, and of readers that go.</summary>
    public void Attach(Action changed)
    {
        lock (_lock)
        {
            _changed = changed;
        }

        changed();
    }

    /// <summary>The newest batch, once, so that the agent wakes its readers. They read everything from here.</summary>
    public bool TryRing(out QueuedBatch newest)
    {
        lock (_lock)
        {
            newest = _waiting.Count > 0 ? _waiting[^1].Batch : null!;
            if (_rung || newest is null)
            {
                return false;
            }

            _rungFor = newest.Number;
            return _rung = true;
        }
    }

    /// <summary>
    /// For an agent that comes back after it was rung for: a reader that it has not woken then is one that it does not know any more, and would hold up what others have delivered.
    /// Orleans 10.4.2 leaves one behind where a subscription ends while its consumer is being asked where to begin.
    /// </summary>
    public void RemoveForgotten()
    {
        lock (_lock)
        {
            for (int i = _readers.Count - 1; i >= 0; i--)
            {
                if (_readers[i].IsAtRest && _readers[i].Next <= _rungFor)
                {
                    _readers.RemoveAt(i);
                    RemoveDelivered();
                }
            }
        }
    }

    /// <summary>A reader that begins with the oldest batch that waits.</summary>
    public IQueueCacheCursor Read()
    {
        lock (_lock)
        {
            _read = true;
            var reader = new Reader(this, First - (_lost ? 1 : 0));
            _readers.Add(reader);
            return reader;
        }
    }

    /// <summary>There is nobody to deliver to: what waits is dropped, and so is what is still to come.</summary>
    public void Close() => End(stopped: false);

    /// <summary>The silo stops: what waits is not delivered, and its outboxes are told so.</summary>
    public void Stop() => End(stopped: true);

    long First => _next - _waiting.Count;

    void End(bool stopped)
    {
        lock (_lock)
        {
            _closed = true;
            _stopped |= stopped;
            _changed = null;
            Remove(_waiting.Count);
        }
    }

    void DropOldest()
    {
        _lost |= _readers.Count == 0 || _readers.Exists(reader => reader.Next <= First);
        Remove(1);
    }

    void Remove(int count)
    {
        foreach (var (_, delivered) in _waiting.Take(count))
        {
            if (_stopped)
            {
                delivered.SetException(NotDelivered());
            }
            else
            {
                delivered.SetResult();
            }
        }

        _waiting.RemoveRange(0, count);
    }

    static OrleansException NotDelivered() => new("The silo stops, and has not delivered this.");

    void RemoveDelivered()
    {
        if (_readers.Count == 0)
        {
            return;
        }

        long delivered = _readers.Min(static reader => reader.Delivered);
        if (delivered >= First)
        {
            Remove((int)(delivered - First + 1));
        }
    }

    /// <summary>
    /// What an agent delivers from. It takes batches until it has <see cref="DeliveredTogether"/> or there are no more, delivers them, and comes
    /// for the next ones only then: that is how it is known what was delivered.
    /// </summary>
    sealed class Reader(GatewayMailbox mailbox, long next) : IQueueCacheCursor
    {
        QueuedBatch? _current;
        int _taken;
        bool _taking;
        bool _failed;

        /// <summary>The number of the batch that is taken next. Below the oldest one where something was lost.</summary>
        public long Next { get; private set; } = next;

        /// <summary>The number of the newest batch that was delivered.</summary>
        public long Delivered { get; private set; }

        /// <summary>Whether the agent found nothing to take when it came last. It comes again when it is rung for.</summary>
        public bool IsAtRest { get; private set; }

        public IBatchContainer? GetCurrent(out Exception? exception)
        {
            exception = null;
            return _current;
        }

        public bool MoveNext()
        {
            lock (mailbox._lock)
            {
                if (!_taking)
                {
                    _taking = true;
                    _taken = 0;
                    Delivered = Next - 1;
                    mailbox.RemoveDelivered();
                }

                long first = mailbox.First;
                if (mailbox._waiting.Count == 0 || Next >= mailbox._next)
                {
                    IsAtRest = _taken == 0;
                    _current = null;
                    _taking = false;
                    return false;
                }

                IsAtRest = false;
                bool lost = _failed || Next < first;
                Next = Math.Max(Next, first);
                _current = mailbox._waiting[(int)(Next++ - first)].Batch;
                if (lost)
                {
                    _current = _current.AfterLoss();
                    _failed = mailbox._lost = false;
                }

                _taking = ++_taken < DeliveredTogether;
                return true;
            }
        }

        /// <summary>Nothing to do: it reads what is there.</summary>
        public void Refresh(StreamSequenceToken token)
        {
        }

        /// <summary>The batches taken last were not delivered, and will not be. The next one says so.</summary>
        public void RecordDeliveryFailure()
        {
            lock (mailbox._lock)
            {
                _failed = true;
            }
        }

        public void Dispose()
        {
            Action? changed;
            lock (mailbox._lock)
            {
                mailbox._readers.Remove(this);
                mailbox.RemoveDelivered();
                changed = mailbox._changed;
            }

            changed?.Invoke();
        }
    }
}
