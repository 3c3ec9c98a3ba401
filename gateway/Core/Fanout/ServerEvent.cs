using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>Something that clients are told, before it is encoded for one of the wire formats.</summary>
public abstract record ServerEvent;

/// <summary>A message of a room, an inbox or a namespace's broadcast.</summary>
public sealed record MessageReceived(ChannelId Channel, string Epoch, Message Message) : ServerEvent;

/// <summary>Members came to a room or left it.</summary>
public sealed record PresenceReceived(RoomName Room, IReadOnlyList<string> Joined, IReadOnlyList<string> Left, int Members) : ServerEvent;

/// <summary>Messages of the channel are missing for good; delivery goes on after <paramref name="Position"/>.</summary>
public sealed record GapDetected(ChannelId Channel, Cursor Position, string Reason) : ServerEvent;

/// <summary>The connection is about to be closed.</summary>
public sealed record ConnectionClosing(CloseReason Reason) : ServerEvent;

/// <summary>What the application sends to one connection. Transports that have one argument for an event take the first.</summary>
public sealed record Emitted(string Event, EventData Data) : ServerEvent;

/// <summary>The same, to be answered under the id.</summary>
/// <param name="From">The asking user; null where the server itself asks.</param>
public sealed record Requested(long Id, string Event, EventData Data, string? From = null) : ServerEvent;
