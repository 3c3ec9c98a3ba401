using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Rooms;

/// <summary>A room: a channel whose presence is told to its members. A member is there while any gateway holds a connection of his in the room.</summary>
sealed class RoomGrain(ChannelServices services, IMemberStore store) : ChannelGrain(ChannelKind.Room, services), IRoomGrain
{
    /// <summary>However large a room is, its members are told of changes at least this often.</summary>
    static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);

    readonly Dictionary<string, int> _members = [];
    readonly HashSet<string> _joined = [];
    readonly HashSet<string> _left = [];
    int _connections;

    /// <summary>Members from before this activation, with one connection each until their gateway says how many. Null where all gateways have.</summary>
    HashSet<string>? _remembered;

    /// <summary>Whether the store has everybody of whose coming the room has told, and nobody else. Not so in rooms that name nobody.</summary>
    bool _kept = true;
    Task _keeping = Task.CompletedTask;

    /// <summary>Somebody has asked who is here, and so knows of changes that have not been told: that these were undone must be told as well.</summary>
    bool _known;
    long _told;
    IGrainTimer? _telling;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _remembered = [.. await store.ReadAsync(Channel)];
        await base.OnActivateAsync(cancellationToken);
        foreach (string user in _remembered)
        {
            _members[user] = 1;
        }

        _connections = _remembered.Count;
        if (PresenceIsComplete)
        {
            OnPresenceComplete();
        }
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await base.OnDeactivateAsync(reason, cancellationToken);
        await _keeping.WaitAsync(cancellationToken);
    }

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
            Count(user, after - before);
            if (after > 0 && _remembered?.Remove(user) == true)
            {
                Count(user, -1);
            }
        }

        Tell();
    }

    /// <summary>Who was a member before this activation, and has not been named by any gateway, has left meanwhile.</summary>
    protected override void OnPresenceComplete()
    {
        foreach (string user in _remembered ?? [])
        {
            Count(user, -1);
        }

        _remembered = null;
        Tell();
    }

    protected override Task KeepAgainAsync()
    {
        // All, not what has changed.
        _kept = false;
        return Task.WhenAll(base.KeepAgainAsync(), KeepToldAsync([], []));
    }

    void Count(string user, int change)
    {
        _connections += change;
        int was = _members.GetValueOrDefault(user);
        int now = was + change;
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

        string[] joined = [.. _joined];
        string[] left = [.. _left];
        _joined.Clear();
        _left.Clear();
        PostToAll(new PresenceChanged(Channel, NamesMembers ? joined : [], NamesMembers ? left : [], _members.Count));
        _keeping = KeepToldAsync(joined, left);
        _known = false;
        _told = Time.GetTimestamp();
        return Task.CompletedTask;
    }

    bool NamesMembers => _members.Count <= Options.NamedPresenceLimit;

    /// <summary>Makes the store know of these, which have just been told, or of everybody where it does not yet. No caller waits for it.</summary>
    Task KeepToldAsync(string[] joined, string[] left)
    {
        bool had = _kept;
        _kept = NamesMembers;
        return (had, _kept) switch
        {
            (true, true) => KeepAsync(store.ChangeAsync(Channel, joined, left)),
            (false, true) => KeepAsync(store.ReplaceAsync(Channel, [.. _members.Keys.Where(user => !_joined.Contains(user)), .. _left])),
            (true, false) => KeepAsync(store.ReplaceAsync(Channel, [])),
            _ => Task.CompletedTask,
        };
    }
}
