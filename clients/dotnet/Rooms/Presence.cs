namespace OrleansRealtime.Client;

/// <summary>Who is in a room.</summary>
/// <param name="Members">All members, even where <paramref name="List"/> is a sample of them.</param>
public sealed record RoomPresence(string Room, int Members, int Connections, IReadOnlyList<PresentMember> List);

public sealed record PresentMember(string User, int Connections);

/// <summary>Users have come to a room, or gone.</summary>
/// <param name="Members">How many there are now. Where they are many, the names may be left out.</param>
public sealed record PresenceChange(string Room, IReadOnlyList<string> Joined, IReadOnlyList<string> Left, int Members);

/// <summary>Delivery of a room has begun, or goes on after a lost connection.</summary>
/// <param name="Recovered">False where messages are gone for good; <see cref="RealtimeRoom.GapDetected"/> says more.</param>
public sealed record RoomJoined(string Room, string Cursor, string Epoch, long Offset, bool Recovered);
