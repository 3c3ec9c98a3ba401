namespace OrleansRealtime.Channels;

/// <summary>How a message is kept and delivered.</summary>
public enum Delivery
{
    /// <summary>Logged, sequenced and recovered. The default.</summary>
    Durable,

    /// <summary>Sent once, dropped for whoever is slow, never logged: typing indicators, pointers.</summary>
    Transient,

    /// <summary>Only the newest value of its key matters: a slow or returning client gets that one alone.</summary>
    Latest,
}

/// <summary>What a publisher wants sent.</summary>
/// <param name="From">The publishing user; null where the server itself speaks.</param>
/// <param name="MessageId">Chosen by the publisher; a second publication with the same id by the same user is acknowledged with the first one's offset. For a latest value only while its channel is active.</param>
/// <param name="Key">The key of a <see cref="Channels.Delivery.Latest"/> value.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.Publication")]
public sealed record Publication(
    [property: Id(0)] string Event,
    [property: Id(1)] Payload Data,
    [property: Id(2)] string? From = null,
    [property: Id(3)] string? MessageId = null,
    [property: Id(4)] Delivery Delivery = Delivery.Durable,
    [property: Id(5)] string? Key = null)
{
    /// <summary>What it is once the channel has accepted it.</summary>
    public Message ToMessage(long offset, long time) => new(offset, time, Event, Data, From, MessageId, Delivery, Key);
}

/// <summary>A message as the channel accepted it.</summary>
/// <param name="Offset">Durable: the place in the log, from 1. Latest: the value's revision, from 1. Transient: 0.</param>
/// <param name="Time">Milliseconds since the Unix epoch when the channel accepted it.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.Message")]
public sealed record Message(
    [property: Id(0)] long Offset,
    [property: Id(1)] long Time,
    [property: Id(2)] string Event,
    [property: Id(3)] Payload Data,
    [property: Id(4)] string? From,
    [property: Id(5)] string? MessageId,
    [property: Id(6)] Delivery Delivery,
    [property: Id(7)] string? Key)
{
    /// <summary>Bytes the message counts for against the limits of logs, buffers and queues.</summary>
    public int Size => 96 + Data.Bytes.Length + Event.Length + (From?.Length ?? 0) + (MessageId?.Length ?? 0) + (Key?.Length ?? 0);
}
