using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Rooms;

/// <summary>A room: a channel whose presence is told to its members. A member is there while any gateway holds a connection of his in the room.</summary>
sealed class RoomGrain(ChannelServices services) : ChannelGrain(ChannelKind.Room, services), IRoomGrain
{
    readonly Dictionary<string, int> _members = [];
    int _connections;

    public Task<RoomPresence> Presence(int limit) => Task.FromResult(new RoomPresence(
        _members.Count,
        _connections,
        [.. _members.Take(Math.Clamp(limit, 0, 10_000)).Select(m => new Member(m.Key, m.Value))]));

    protected override void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes)
    {
        List<string> joined = [], left = [];
        foreach (var (user, before, after) in changes)
        {
            _connections += after - before;
            int was = _members.GetValueOrDefault(user);
            int now = was + after - before;
            if (now > 0)
            {
                _members[user] = now;
                if (was == 0)
                {
                    joined.Add(user);
                }
            }
            else if (_members.Remove(user))
            {
                left.Add(user);
            }
        }

        if (joined.Count + left.Count > 0)
        {
            bool named = _members.Count <= Options.NamedPresenceLimit;
            PostToAll(new PresenceChanged(Channel, named ? joined : [], named ? left : [], _members.Count));
        }
    }
}
