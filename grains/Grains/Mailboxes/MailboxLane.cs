using Orleans.Streams;

namespace OrleansRealtime.Mailboxes;

/// <summary>
/// What one pulling agent reads from: the mailbox of one gateway at a time. An agent stops reading while a stream registers with
/// pub-sub, and a call to a gateway that is stopped or dead lasts until it times out; as each gateway has an agent to itself, that
/// delays nobody else.
/// </summary>
sealed class MailboxLane(QueueId queue, MailboxLanes lanes) : IQueueAdapterReceiver, IQueueCache, IDisposable
{
    /// <summary>How long a read waits before it lets the agent look after its other duties.</summary>
    static readonly TimeSpan ReadWait = TimeSpan.FromSeconds(5);

    readonly SemaphoreSlim _changed = new(0, 1);
    readonly HashSet<StreamId> _had = [];
    volatile GatewayMailbox? _mailbox;

    public QueueId Queue => queue;

    /// <summary>Known once the agent has been started.</summary>
    public GrainId Agent { get; set; }

    /// <summary>
    /// Not twice the same stream: of one whose subscription ended while another began, the agent may keep a record, of which pub-sub does not know any more, and would then neither register
    /// the stream again nor be told of its subscriptions. Under the lock of <see cref="MailboxLanes"/>, as is <see cref="Take"/>.
    /// </summary>
    public bool CanTake(StreamId stream) => !_had.Contains(stream);

    public void Take(GatewayMailbox mailbox)
    {
        _had.Add(mailbox.StreamId);
        _mailbox = mailbox;
        mailbox.Attach(Changed);
    }

    public Task Initialize(TimeSpan timeout) => Task.CompletedTask;

    public Task<IList<IBatchContainer>> GetQueueMessagesAsync(int maxCount) => GetQueueMessagesAsync(maxCount, CancellationToken.None);

    public async Task<IList<IBatchContainer>> GetQueueMessagesAsync(int maxCount, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (_mailbox is { } mailbox)
            {
                mailbox.RemoveForgotten();
                if (mailbox.IsAbandoned)
                {
                    _mailbox = null;
                    lanes.Release(this, mailbox);
                }
                else if (mailbox.TryRing(out var newest))
                {
                    return [newest];
                }
            }

            try
            {
                if (!await _changed.WaitAsync(ReadWait, cancellationToken))
                {
                    return [];
                }
            }
            catch (OperationCanceledException)
            {
                // The silo stops.
                return [];
            }
        }
    }

    public Task MessagesDeliveredAsync(IList<IBatchContainer> messages) => Task.CompletedTask;

    public Task Shutdown(TimeSpan timeout)
    {
        _mailbox?.Stop();
        _mailbox = null;
        return Task.CompletedTask;
    }

    /// <summary>Nothing to add: the mailbox has it already, and the agent has been woken.</summary>
    public void AddToCache(IList<IBatchContainer> messages)
    {
    }

    public bool TryPurgeFromCache(out IList<IBatchContainer> purgedItems)
    {
        purgedItems = [];
        return false;
    }

    /// <summary>Begins with the oldest batch, whatever the token: what a gateway has had already does no harm.</summary>
    public IQueueCacheCursor GetCacheCursor(StreamId streamId, StreamSequenceToken? token) =>
        _mailbox is { } mailbox && mailbox.StreamId == streamId ? mailbox.Read() : Nothing.Instance;

    /// <summary>Never: mailboxes are bounded by themselves.</summary>
    public bool IsUnderPressure() => false;

    public int GetMaxAddCount() => 1;

    public void Dispose() => _changed.Dispose();

    void Changed()
    {
        // One signal is enough, however often it is given before the agent looks.
        lock (_changed)
        {
            if (_changed.CurrentCount == 0)
            {
                _changed.Release();
            }
        }
    }

    /// <summary>For a stream that has left the lane.</summary>
    sealed class Nothing : IQueueCacheCursor
    {
        public static readonly Nothing Instance = new();

        public IBatchContainer? GetCurrent(out Exception? exception)
        {
            exception = null;
            return null;
        }

        public bool MoveNext() => false;

        public void Refresh(StreamSequenceToken token)
        {
        }

        public void RecordDeliveryFailure()
        {
        }

        public void Dispose()
        {
        }
    }
}
