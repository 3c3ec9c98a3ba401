using System.Threading.Channels;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Providers.Streams.Common;
using Orleans.Streams;

namespace OrleansRealtime.Mailboxes.InProcess;

/// <summary>
/// The mailbox stream provider where silo and gateway are one process: a queue in memory, whose reader waits for events instead of
/// polling for them. That costs an idle process nothing and delivers at once, where Orleans' memory streams poll.
/// </summary>
sealed class InProcessMailboxes(string name, IServiceProvider services) : IQueueAdapterFactory, IQueueAdapter
{
    /// <summary>
    /// Sends that wait in the queue. Small, so that under load the outbox, and not this queue, holds what waits: there it is coalesced.
    /// </summary>
    const int QueuedSends = 4;

    /// <summary>How long a read waits before it lets the pulling agent look after its other duties.</summary>
    static readonly TimeSpan ReadWait = TimeSpan.FromSeconds(1);

    readonly Channel<MailboxContainer> _queue = System.Threading.Channels.Channel.CreateBounded<MailboxContainer>(
        new BoundedChannelOptions(QueuedSends) { SingleReader = true });

    readonly HashRingBasedStreamQueueMapper _mapper = new(new HashRingStreamQueueMapperOptions { TotalQueueCount = 1 }, name);

    readonly SimpleQueueAdapterCache _cache = new(
        new SimpleQueueCacheOptions { CacheSize = 128 }, name, services.GetRequiredService<ILoggerFactory>());

    long _sequence;

    public string Name => name;

    public bool IsRewindable => false;

    public StreamProviderDirection Direction => StreamProviderDirection.ReadWrite;

    public static InProcessMailboxes Create(IServiceProvider services, string name) => new(name, services);

    public Task<IQueueAdapter> CreateAdapter() => Task.FromResult<IQueueAdapter>(this);

    public IQueueAdapterCache GetQueueAdapterCache() => _cache;

    public IStreamQueueMapper GetStreamQueueMapper() => _mapper;

    public Task<IStreamFailureHandler> GetDeliveryFailureHandler(QueueId queueId) =>
        Task.FromResult<IStreamFailureHandler>(new NoOpStreamDeliveryFailureHandler());

    public Task QueueMessageBatchAsync<T>(
        StreamId streamId, IEnumerable<T> events, StreamSequenceToken? token, Dictionary<string, object>? requestContext) =>
        _queue.Writer.WriteAsync(new(streamId, [.. events.Cast<object>()], new EventSequenceTokenV2(Interlocked.Increment(ref _sequence)))).AsTask();

    public IQueueAdapterReceiver CreateReceiver(QueueId queueId) => new Receiver(_queue.Reader);

    sealed class Receiver(ChannelReader<MailboxContainer> queue) : IQueueAdapterReceiver, IDisposable
    {
        readonly CancellationTokenSource _stopped = new();

        public Task Initialize(TimeSpan timeout) => Task.CompletedTask;

        public async Task<IList<IBatchContainer>> GetQueueMessagesAsync(int maxCount)
        {
            var messages = new List<IBatchContainer>();
            if (!queue.TryPeek(out _))
            {
                using var wait = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token);
                wait.CancelAfter(ReadWait);
                try
                {
                    await queue.WaitToReadAsync(wait.Token);
                }
                catch (OperationCanceledException) when (wait.IsCancellationRequested)
                {
                    return messages;
                }
            }

            while ((messages.Count < maxCount || maxCount < 0) && queue.TryRead(out var message))
            {
                messages.Add(message);
            }

            return messages;
        }

        public Task MessagesDeliveredAsync(IList<IBatchContainer> messages) => Task.CompletedTask;

        public Task Shutdown(TimeSpan timeout) => _stopped.CancelAsync();

        public void Dispose() => _stopped.Dispose();
    }
}

/// <summary>One send in the queue. It never leaves the process; the attributes satisfy the calls it is an argument of.</summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.MailboxContainer")]
sealed class MailboxContainer(StreamId streamId, object[] events, EventSequenceTokenV2 token) : IBatchContainer
{
    [Id(0)]
    public StreamId StreamId { get; } = streamId;

    [Id(1)]
    readonly object[] _events = events;

    [Id(2)]
    readonly EventSequenceTokenV2 _token = token;

    public StreamSequenceToken SequenceToken => _token;

    public IEnumerable<Tuple<T, StreamSequenceToken>> GetEvents<T>() =>
        _events.OfType<T>().Select((e, i) => Tuple.Create<T, StreamSequenceToken>(e, _token.CreateSequenceTokenForEvent(i)));

    public bool ImportRequestContext() => false;
}
