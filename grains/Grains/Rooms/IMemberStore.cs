using OrleansRealtime.Channels;

namespace OrleansRealtime.Rooms;

/// <summary>
/// Remembers of whose coming a room has told, so that an activation that begins anew on another silo names nobody who was there already, and tells who is gone.
/// What it remembers may be stale. Where the store cannot be reached, its members throw <see cref="ChannelUnavailableException"/>.
/// </summary>
public interface IMemberStore
{
    Task<IReadOnlyList<string>> ReadAsync(ChannelId room);

    /// <summary>Calls for the same room take effect in the order in which they are made.</summary>
    Task ChangeAsync(ChannelId room, IReadOnlyCollection<string> joined, IReadOnlyCollection<string> left);

    /// <summary>Remembers these members, and no others. In order with <see cref="ChangeAsync"/>.</summary>
    Task ReplaceAsync(ChannelId room, IReadOnlyCollection<string> members);
}

/// <summary>Where silo and gateway are one process, no member outlives the room's activation.</summary>
sealed class NoMemberStore : IMemberStore
{
    public Task<IReadOnlyList<string>> ReadAsync(ChannelId room) => Task.FromResult<IReadOnlyList<string>>([]);

    public Task ChangeAsync(ChannelId room, IReadOnlyCollection<string> joined, IReadOnlyCollection<string> left) => Task.CompletedTask;

    public Task ReplaceAsync(ChannelId room, IReadOnlyCollection<string> members) => Task.CompletedTask;
}
