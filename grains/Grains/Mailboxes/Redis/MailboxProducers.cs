using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Serialization;
using Orleans.Streams;
using OrleansRealtime.Gateways;
using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>The way into the queues: one XADD for each send of an outbox.</summary>
sealed class MailboxProducers(RedisConnection redis, IOptions<MailboxOptions> options, Serializer serializer)
{
    readonly RedisKeys _keys = new(redis.Options.KeyPrefix);

    /// <summary>Which gateway is in which queue. The same in every silo.</summary>
    readonly HashRingBasedStreamQueueMapper _mapper = new(
        new HashRingStreamQueueMapperOptions { TotalQueueCount = options.Value.Queues }, Mailbox.ProviderName);

    /// <exception cref="RedisException">Redis is away. Nothing is repeated here: the outbox tells the gateway.</exception>
    public Task SendAsync(StreamId streamId, object[] events) => redis.Database.StreamAddAsync(
        _keys.MailboxQueue(QueueOf(streamId)),
        [
            new(QueueReader.NamespaceField, streamId.Namespace),
            new(QueueReader.KeyField, streamId.Key),
            new(QueueReader.EventsField, QueuedBatch.Serialize(serializer, events)),
        ],
        messageId: null,
        maxLength: options.Value.QueueLength,
        useApproximateMaxLength: true);

    public string QueueOf(StreamId streamId) => NameOf((int)_mapper.GetQueueForStream(streamId).GetNumericId());

    public static string NameOf(int queue) => queue.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
