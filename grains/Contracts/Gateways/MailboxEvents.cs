using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateways;

/// <summary>The stream on which a gateway receives what its connections need.</summary>
public static class Mailbox
{
    /// <summary>The name of the Orleans stream provider, and the namespace of its streams; the key is the gateway's id.</summary>
    public const string ProviderName = "mailbox";

    public static StreamId StreamOf(string gatewayId) => StreamId.Create(ProviderName, gatewayId);
}

/// <summary>What one silo's outbox sends to one gateway at once.</summary>
/// <param name="Lost">True where events before these were dropped on the way: the gateway then compares all its heads.</param>
/// <param name="Outbox">Which outbox sent it; its id is random, and new with each outbox.</param>
/// <param name="Sequence">Counts the outbox's sends from 1, so that one that was lost is noticed. 0: not counted.</param>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.MailboxBatch")]
public sealed record MailboxBatch(
    [property: Id(0)] IReadOnlyList<MailboxEvent> Events,
    [property: Id(1)] bool Lost,
    [property: Id(2)] string Outbox = "",
    [property: Id(3)] long Sequence = 0);

[GenerateSerializer, Immutable, Alias("OrleansRealtime.MailboxEvent")]
public abstract record MailboxEvent([property: Id(0)] ChannelId Channel);

/// <summary>
/// Messages of a channel. The durable ones among them have consecutive offsets in <see cref="Epoch"/>. May be lost, repeated or
/// reordered on the way: the log is the truth.
/// </summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.ChannelMessages")]
public sealed record ChannelMessages(
    ChannelId Channel,
    [property: Id(0)] string Epoch,
    [property: Id(1)] MessageList Messages) : MailboxEvent(Channel);

/// <summary>Repeats where the log ends, so that a lost last message is noticed.</summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.HeadRepeated")]
public sealed record HeadRepeated(ChannelId Channel, [property: Id(0)] ChannelHead Head) : MailboxEvent(Channel);

/// <summary>
/// The channel's grain begins anew, on another silo perhaps, and knows only that the gateway was interested: it is to declare its
/// interest, its position and its presence again.
/// </summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.DeclarationRequested")]
public sealed record DeclarationRequested(ChannelId Channel) : MailboxEvent(Channel);

/// <summary>Follows every heartbeat, so that a gateway knows that its mailbox is connected. It is of no channel.</summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.HeartbeatEchoed")]
public sealed record HeartbeatEchoed() : MailboxEvent(default(ChannelId));

/// <summary>Members came to a room or left it.</summary>
/// <param name="Joined">Empty in rooms with more members than the setting allows to be named one by one.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.PresenceChanged")]
public sealed record PresenceChanged(
    ChannelId Channel,
    [property: Id(0)] IReadOnlyList<string> Joined,
    [property: Id(1)] IReadOnlyList<string> Left,
    [property: Id(2)] int Members) : MailboxEvent(Channel);

/// <summary>The gateway is to close connections of the user whose channel this is.</summary>
/// <param name="ConnectionId">Null closes all of the user's connections.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.DisconnectRequested")]
public sealed record DisconnectRequested(
    ChannelId Channel,
    [property: Id(0)] string? ConnectionId) : MailboxEvent(Channel);

/// <summary>The gateway is to ask the connections of the user whose channel this is, and to report what that has come to.</summary>
/// <param name="Data">Null for none.</param>
/// <param name="From">The asking user; null where the server itself asks.</param>
/// <param name="Timeout">How long, from when it was posted: clocks may differ.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserRequested")]
public sealed record UserRequested(
    ChannelId Channel,
    [property: Id(0)] string RequestId,
    [property: Id(1)] string Event,
    [property: Id(2)] Payload? Data,
    [property: Id(3)] string? From,
    [property: Id(4)] TimeSpan Timeout) : MailboxEvent(Channel);

/// <summary>Somebody else has answered, or nobody wants to know any more.</summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserRequestEnded")]
public sealed record UserRequestEnded(
    ChannelId Channel,
    [property: Id(0)] string RequestId) : MailboxEvent(Channel);
