using Orleans.Concurrency;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Rooms;

/// <summary>Sequences a room's messages, and knows who is there. Its key is <see cref="RoomName.Qualified"/>.</summary>
[Alias("OrleansRealtime.IRoomGrain")]
public interface IRoomGrain : IChannelGrain
{
    /// <summary>Who is in the room, up to <paramref name="limit"/> members.</summary>
    [AlwaysInterleave, Alias("Presence")]
    Task<RoomPresence> Presence(int limit);
}

/// <summary>The members that are connected now. A member is a user, on however many connections.</summary>
/// <param name="Members">All members, even where <see cref="List"/> is a sample.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.RoomPresence")]
public sealed record RoomPresence(
    [property: Id(0)] int Members,
    [property: Id(1)] int Connections,
    [property: Id(2)] IReadOnlyList<Member> List);

[GenerateSerializer, Immutable, Alias("OrleansRealtime.Member")]
public readonly record struct Member([property: Id(0)] string User, [property: Id(1)] int Connections);
