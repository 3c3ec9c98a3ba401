namespace OrleansRealtime.Channels;

/// <summary>What kind of audience a channel has.</summary>
public enum ChannelKind
{
    Room,
    User,
    Namespace,
}

/// <summary>
/// Names one channel: a room (<c>room:/:general</c>), a user's inbox (<c>user:ann</c>) or a namespace's broadcast (<c>ns:/admin</c>).
/// </summary>
/// <param name="Key">The grain's key: <c>/:general</c> for a room, the user's id, or the namespace.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.ChannelId")]
public readonly record struct ChannelId(
    [property: Id(0)] ChannelKind Kind,
    [property: Id(1)] string Key)
{
    public static ChannelId Room(RoomName room) => new(ChannelKind.Room, room.Qualified);

    public static ChannelId User(string userId) => new(ChannelKind.User, userId);

    public static ChannelId Namespace(string name) => new(ChannelKind.Namespace, name);

    public override string ToString() => Kind switch
    {
        ChannelKind.Room => "room:" + Key,
        ChannelKind.User => "user:" + Key,
        _ => "ns:" + Key,
    };
}
