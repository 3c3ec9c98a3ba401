using Microsoft.Extensions.DependencyInjection;
using Orleans.Providers.Streams.Common;
using Orleans.Serialization;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes.Cluster;

/// <summary>
/// One send of an outbox, on its way to the gateway. The events are serialized once, where they are sent, and deserialized
/// once, in the gateway: whoever carries them carries bytes.
/// </summary>
/// <param name="streamId">The mailbox.</param>
/// <param name="events">What <see cref="Serialize"/> made of the events.</param>
/// <param name="number">See <see cref="Number"/>.</param>
/// <param name="serializer">For a subscriber in this silo, whom it reaches as it is.</param>
/// <param name="lost">See <see cref="Lost"/>.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.QueuedBatch"), SerializationCallbacks(typeof(OnDeserializedCallbacks))]
sealed class QueuedBatch(StreamId streamId, byte[] events, long number, Serializer serializer, bool lost = false) : IBatchContainer, IOnDeserialized
{
    [NonSerialized]
    Serializer _serializer = serializer;

    [Id(0)]
    public StreamId StreamId { get; } = streamId;

    [Id(1)]
    readonly byte[] _events = events;

    [Id(2)]
    readonly long _number = number;

    [Id(3)]
    readonly bool _lost = lost;

    /// <summary>The place in the lane. It orders what one agent delivers, and means nothing beyond.</summary>
    public long Number => _number;

    public int Size => _events.Length;

    /// <summary>Whether something before this batch was dropped on the way.</summary>
    public bool Lost => _lost;

    public StreamSequenceToken SequenceToken => new EventSequenceTokenV2(_number);

    public QueuedBatch AfterLoss() => _lost ? this : new(StreamId, _events, _number, _serializer, lost: true);

    public static byte[] Serialize(Serializer serializer, object[] events) => serializer.SerializeToArray(events);

    public IEnumerable<Tuple<T, StreamSequenceToken>> GetEvents<T>()
    {
        var token = new EventSequenceTokenV2(_number);
        return _serializer.Deserialize<object[]>(_events)!.OfType<T>().Select((e, i) => Tuple.Create<T, StreamSequenceToken>(
            _lost && i == 0 && e is MailboxBatch batch ? (T)(object)(batch with { Lost = true }) : e,
            token.CreateSequenceTokenForEvent(i)));
    }

    public bool ImportRequestContext() => false;

    void IOnDeserialized.OnDeserialized(DeserializationContext context) => _serializer = context.ServiceProvider.GetRequiredService<Serializer>();
}
