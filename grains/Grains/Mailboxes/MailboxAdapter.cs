using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>What Orleans asks for: the way into the mailboxes, and for each pulling agent its lane.</summary>
sealed class MailboxAdapter(string name, StreamProviderDirection direction, IServiceProvider services)
    : IQueueAdapterFactory, IQueueAdapter, IQueueAdapterCache
{
    readonly Lazy<MailboxLanes> _lanes = new(services.GetRequiredService<MailboxLanes>);

    public string Name => name;

    /// <summary>False: a subscriber cannot ask for what it has had. The log is there for that.</summary>
    public bool IsRewindable => false;

    public StreamProviderDirection Direction => direction;

    public static IQueueAdapterFactory CreateForSilo(IServiceProvider services, string name) =>
        new MailboxAdapter(name, StreamProviderDirection.ReadWrite, services);

    public static IQueueAdapterFactory CreateForClient(IServiceProvider services, string name) =>
        new MailboxAdapter(name, StreamProviderDirection.ReadOnly, services);

    public Task<IQueueAdapter> CreateAdapter() => Task.FromResult<IQueueAdapter>(this);

    public IQueueAdapterCache GetQueueAdapterCache() => this;

    public IStreamQueueMapper GetStreamQueueMapper() => _lanes.Value;

    public Task<IStreamFailureHandler> GetDeliveryFailureHandler(QueueId queueId) =>
        Task.FromResult<IStreamFailureHandler>(new NoOpStreamDeliveryFailureHandler());

    public Task QueueMessageBatchAsync<T>(
        StreamId streamId, IEnumerable<T> events, StreamSequenceToken? token, Dictionary<string, object>? requestContext)
    {
        MailboxBatch[] batches = [.. events.Cast<MailboxBatch>()];
        return _lanes.Value.TryPostHere(streamId, batches)
            ?? services.GetRequiredService<IGrainFactory>().GetGrain<IMailboxGrain>(streamId.GetKeyAsString()).Post(batches);
    }

    public IQueueAdapterReceiver CreateReceiver(QueueId queueId)
    {
        var lane = _lanes.Value.Get(queueId);

        // The caller is the agent. Its id is what it registers with pub-sub as the streams' producer.
        lane.Agent = services.GetRequiredService<IGrainContextAccessor>().GrainContext.GrainId;
        return lane;
    }

    public IQueueCache CreateQueueCache(QueueId queueId) => _lanes.Value.Get(queueId);
}
