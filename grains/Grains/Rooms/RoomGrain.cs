using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Rooms;

/// <summary>A room: a channel whose presence is told to its members. A member is there while any gateway holds a connection of his in the room.</summary>
sealed class RoomGrain(ChannelServices services) : ChannelGrain(ChannelKind.Room, services), IRoomGrain
{
    /// <summary>However large a room is, its members are told of changes at least this often.</summary>
    static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);

    readonly Dictionary<string, int> _members = [];
    readonly HashSet<string> _joined = [];
    readonly HashSet<string> _left = [];
    int _connections;

    /// <summary>Somebody has asked who is here, and so knows of changes that have not been told: that these were undone must be told as well.</summary>
    bool _known;
    long _told;
    IGrainTimer? _telling;

    public Task<RoomPresence> Presence(int limit)
    {
        _known |= _joined.Count + _left.Count > 0;
        return Task.FromResult(new RoomPresence(
            _members.Count,
            _connections,
            [.. _members.Take(Math.Clamp(limit, 0, 10_000)).Select(m => new Member(m.Key, m.Value))]));
    }

    protected override void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes)
    {
        foreach (var (user, before, after) in changes)
        {
            _connections += after - before;
            int was = _members.GetValueOrDefault(user);
            int now = was + after - before;
            if (now > 0)
            {
                _members[user] = now;
                if (was == 0 && (!_left.Remove(user) || _known))
                {
                    _joined.Add(user);
                }
            }
            else if (_members.Remove(user) && (!_joined.Remove(user) || _known))
            {
                _left.Add(user);
            }
        }

        Tell();
    }

    /// <summary>
    /// Tells what has changed since the last time: at once in a small room, and in a large one so seldom that telling everybody stays
    /// within <see cref="ChannelOptions.PresenceDeliveries"/>. A thousand who come at once would else be told of one another a million times.
    /// </summary>
    void Tell()
    {
        if (_telling is not null || _joined.Count + _left.Count == 0)
        {
            return;
        }

        var interval = TimeSpan.FromSeconds(Math.Min((double)_members.Count / Options.PresenceDeliveries, LongestInterval.TotalSeconds));
        var wait = interval - Time.GetElapsedTime(_told);
        if (wait > TimeSpan.Zero)
        {
            _telling = this.RegisterGrainTimer(
                _ => TellNow(), (object?)null, new GrainTimerCreationOptions(wait, Timeout.InfiniteTimeSpan) { Interleave = true });
            return;
        }

        TellNow();
    }

    Task TellNow()
    {
        _telling?.Dispose();
        _telling = null;
        if (_joined.Count + _left.Count == 0)
        {
            // Who came has gone again.
            return Task.CompletedTask;
        }

        bool named = _members.Count <= Options.NamedPresenceLimit;
        PostToAll(new PresenceChanged(Channel, named ? [.. _joined] : [], named ? [.. _left] : [], _members.Count));
        _joined.Clear();
        _left.Clear();
        _known = false;
        _told = Time.GetTimestamp();
        return Task.CompletedTask;
    }
}
