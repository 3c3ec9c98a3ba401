using Orleans.Providers.Streams.Common;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>One send of an outbox, on its way to the gateway.</summary>
/// <param name="streamId">The mailbox.</param>
/// <param name="batches">What was sent.</param>
/// <param name="number">See <see cref="Number"/>.</param>
/// <param name="lost">See <see cref="Lost"/>.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.QueuedBatch")]
sealed class QueuedBatch(StreamId streamId, MailboxBatch[] batches, long number, bool lost = false) : IBatchContainer
{
    [Id(0)]
    public StreamId StreamId { get; } = streamId;

    [Id(1)]
    readonly MailboxBatch[] _batches = batches;

    /// <summary>The place in the lane. It orders what one agent delivers, and means nothing beyond.</summary>
    [Id(2)]
    public long Number { get; } = number;

    /// <summary>Whether something before this was dropped on the way.</summary>
    [Id(3)]
    public bool Lost { get; } = lost;

    public StreamSequenceToken SequenceToken => new EventSequenceTokenV2(Number);

    public QueuedBatch AfterLoss() => Lost ? this : new(StreamId, _batches, Number, lost: true);

    public IEnumerable<Tuple<T, StreamSequenceToken>> GetEvents<T>()
    {
        var token = new EventSequenceTokenV2(Number);
        return _batches.Select((batch, i) => Lost && i == 0 ? batch with { Lost = true } : batch)
            .OfType<T>()
            .Select((batch, i) => Tuple.Create<T, StreamSequenceToken>(batch, token.CreateSequenceTokenForEvent(i)));
    }

    public bool ImportRequestContext() => false;
}
