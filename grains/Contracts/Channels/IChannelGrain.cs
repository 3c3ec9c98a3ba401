using Orleans.Concurrency;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Channels;

/// <summary>
/// What rooms, users and namespaces have in common: each owns one channel. All calls interleave; the grain's state changes only
/// between awaits, and publications are sequenced in the order in which their calls arrive. Orleans does not promise the order of
/// calls that are in flight side by side, so a caller that needs an order keeps one call in flight.
/// </summary>
[Alias("OrleansRealtime.IChannelGrain")]
public interface IChannelGrain : IGrainWithStringKey
{
    /// <summary>Publishes one message, for server code. Completes once the log has it.</summary>
    [AlwaysInterleave, Alias("Publish")]
    Task<PublishResult> Publish(Publication publication);

    /// <summary>Everything a gateway has gathered for this channel since its last call. Safe to repeat.</summary>
    [AlwaysInterleave, Alias("Submit")]
    Task<GatewayBatchResult> Submit(GatewayBatch batch);

    /// <summary>Reads the log. See <see cref="HistoryQuery"/>.</summary>
    [AlwaysInterleave, Alias("Read")]
    Task<HistoryPage> Read(HistoryQuery query);

    /// <summary>The newest values by key whose revision is above <paramref name="afterRevision"/>.</summary>
    [AlwaysInterleave, Alias("ReadLatest")]
    Task<IReadOnlyList<Message>> ReadLatest(long afterRevision);

    /// <summary>Drops the interest and the presence of a gateway that is gone.</summary>
    [AlwaysInterleave, Alias("Forget")]
    Task Forget(string gatewayId);
}

/// <summary>Where a channel's log ends.</summary>
/// <param name="Offset">The newest offset; 0 when the log is empty.</param>
/// <param name="Revision">The newest revision of a <see cref="Delivery.Latest"/> value; 0 when there is none.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.ChannelHead")]
public readonly record struct ChannelHead(
    [property: Id(0)] string Epoch,
    [property: Id(1)] long Offset,
    [property: Id(2)] long Revision);

public enum PublishStatus
{
    Accepted,

    /// <summary>The log cannot be written now. Nothing is known to be kept; try again under the same message id.</summary>
    Unavailable,

    /// <summary>More is waiting to be written than the channel allows. Try again later.</summary>
    Overloaded,

    /// <summary>Nothing of it is kept, and whom it reached is not the channel's owner any more, or has begun its log anew. Send it again.</summary>
    NotKept,
}

/// <summary>The acknowledgement of a publication.</summary>
/// <param name="Offset">As <see cref="Message.Offset"/>.</param>
/// <param name="Time">Milliseconds since the Unix epoch.</param>
/// <param name="Duplicate">True where the message id had been accepted before; the rest is the first acknowledgement's.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.PublishResult")]
public readonly record struct PublishResult(
    [property: Id(0)] PublishStatus Status,
    [property: Id(1)] string Epoch,
    [property: Id(2)] long Offset,
    [property: Id(3)] long Time,
    [property: Id(4)] bool Duplicate);

/// <summary>One gateway's upstream traffic for one channel. A gateway has one such call in flight per channel.</summary>
/// <param name="Interested">Whether the gateway wants the channel's events from now on; null leaves it as it is.</param>
/// <param name="PresenceIsComplete">True where <see cref="Presence"/> is all the gateway has, so that what it does not list is gone.</param>
/// <param name="Position">How far the gateway has passed the log on. A log that ends before that has lost messages, and goes on in a new epoch.</param>
/// <param name="Lease">The gateway's lease as it knows it (<see cref="HeartbeatAnswer.Lease"/>), for a declaration.</param>
/// <param name="Number">
/// Ascends with each call of the gateway. A call that was given up may arrive all the same, when a silo that hung goes on: what it says of interest and presence does not
/// count where a later one has been here. 0 where that cannot be.
/// </param>
/// <param name="ByAnswer">The gateway can pass what it publishes here on to its own connections when the answer comes. See <see cref="GatewayBatchResult.ByAnswer"/>.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.GatewayBatch")]
public sealed record GatewayBatch(
    [property: Id(0)] string GatewayId,
    [property: Id(1)] bool? Interested,
    [property: Id(2)] Publication[] Publications,
    [property: Id(3)] PresenceCount[] Presence,
    [property: Id(4)] bool PresenceIsComplete,
    [property: Id(5)] Cursor? Position = null,
    [property: Id(6)] long Lease = 0,
    [property: Id(7)] long Number = 0,
    [property: Id(8)] bool ByAnswer = false);

/// <summary>
/// How many connections a gateway holds for somebody. Absolute, so that it may be repeated. In a room the key is the user;
/// in a user's channel it is the connection.
/// </summary>
/// <param name="Transport">In a user's channel: what carries the connection, for example <c>signalr</c>.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.PresenceCount")]
public readonly record struct PresenceCount(
    [property: Id(0)] string Key,
    [property: Id(1)] int Connections,
    [property: Id(2)] string? Transport = null);

/// <param name="Published">One for each publication, in order.</param>
/// <param name="ByAnswer">True where the gateway is to pass the publications on to its connections itself: they do not come through its mailbox.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.GatewayBatchResult")]
public sealed record GatewayBatchResult(
    [property: Id(0)] ChannelHead Head,
    [property: Id(1)] PublishResult[] Published,
    [property: Id(2)] bool ByAnswer = false);

/// <summary>
/// Which messages to read, always returned in ascending order. <see cref="After"/>: those that follow a cursor.
/// <see cref="Before"/>: the newest below an offset. Neither: the newest there are.
/// </summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.HistoryQuery")]
public readonly record struct HistoryQuery(
    [property: Id(0)] Cursor? After,
    [property: Id(1)] long? Before,
    [property: Id(2)] int Limit);

/// <param name="Recovered">False where messages after the cursor are gone (trimmed, or of an earlier epoch): the page starts at what is left.</param>
/// <param name="More">True where there is more in the direction of reading.</param>
/// <param name="First">The oldest offset that the log still has; one past the head when it has none.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.HistoryPage")]
public sealed record HistoryPage(
    [property: Id(0)] ChannelHead Head,
    [property: Id(1)] IReadOnlyList<Message> Messages,
    [property: Id(2)] bool Recovered,
    [property: Id(3)] bool More,
    [property: Id(4)] long First);
