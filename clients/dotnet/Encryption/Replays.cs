namespace OrleansRealtime.Client.Encryption;

/// <summary>What of a session outlives a restart: the highest <c>n</c> with its place, and the highest <c>n</c> of a transient message.</summary>
sealed record Highest(string? Epoch, long? Offset, long N, long Transient);

/// <summary>
/// Which messages of one conversation have been seen, so that none is shown twice or out of its sender's order. Bounded; not for several threads.
/// The same message at the same place is no replay: history is read again and again.
/// </summary>
/// <param name="maxSessions">Sessions that are remembered; of one that has been forgotten a replay is not noticed.</param>
/// <param name="maxEach">Messages and keys remembered of a session, beside the highest.</param>
sealed class Replays(int maxSessions = 1000, int maxEach = 1000)
{
    readonly Dictionary<string, Session> _sessions = [];
    long _uses;

    /// <summary>Whether the message may be shown; it is remembered then.</summary>
    /// <param name="session">Names user, device and session of the sender.</param>
    /// <param name="forgotten">A session that is not remembered any more.</param>
    public bool TryAccept(string session, long n, RealtimeMessage message, out string? forgotten)
    {
        var known = Touch(session, out forgotten);
        return message.Place is { } place ? TryAcceptPlaced(known, n, place.Epoch, place.Offset)
            : message is { Key: { } key, Revision: { } revision } ? TryAcceptValue(known, n, key, revision)
            : TryAcceptLoose(known, n);
    }

    /// <summary>What of a session is to be kept over a restart.</summary>
    public Highest HighestOf(string session) => HighestOf(_sessions[session]);

    /// <summary>Takes up what another run of the client has seen.</summary>
    public void Restore(string name, Highest highest)
    {
        var session = Touch(name, out _);
        if (highest is { Epoch: { } epoch, Offset: { } offset })
        {
            session.Epoch = epoch;
            session.Placed.Add((offset, highest.N));
        }
        else
        {
            session.Before = highest.N;
        }

        session.Forgotten = Math.Max(highest.N, highest.Transient);
    }

    Session Touch(string name, out string? forgotten)
    {
        forgotten = null;
        if (!_sessions.TryGetValue(name, out var session))
        {
            if (_sessions.Count >= maxSessions)
            {
                forgotten = _sessions.MinBy(s => s.Value.LastUse).Key;
                _sessions.Remove(forgotten);
            }

            _sessions[name] = session = new();
        }

        session.LastUse = ++_uses;
        return session;
    }

    bool TryAcceptPlaced(Session session, long n, string epoch, long offset)
    {
        if (session.Loose.Contains(n) || session.HasValue(n))
        {
            return false;
        }

        var placed = session.Placed;
        if (session.Epoch != epoch)
        {
            // The log has begun anew: what is in it was sent later than all of the old one.
            long before = HighestOf(session).N;
            if (n <= before)
            {
                return false;
            }

            session.Epoch = epoch;
            session.Before = before;
            placed.Clear();
            placed.Add((offset, n));
            return true;
        }

        int at = FirstFrom(placed, offset);
        if (at < placed.Count && placed[at].Offset == offset)
        {
            return placed[at].N == n;
        }

        if (n <= (at > 0 ? placed[at - 1].N : session.Before) || n >= (at < placed.Count ? placed[at].N : long.MaxValue))
        {
            return false;
        }

        placed.Insert(at, (offset, n));
        if (placed.Count > maxEach)
        {
            session.Forgotten = Math.Max(session.Forgotten, placed[0].N);
            placed.RemoveAt(0);
        }

        return true;
    }

    bool TryAcceptValue(Session session, long n, string key, long revision)
    {
        bool known = session.Values.TryGetValue(key, out var before);
        if (known && before.N == n)
        {
            return before.Revision == revision;
        }

        if ((known && n < before.N) || session.Loose.Contains(n) || session.HasPlaced(n) || session.HasValue(n))
        {
            return false;
        }

        if (!known && session.Values.Count >= maxEach)
        {
            session.Values.Remove(session.Values.MinBy(v => v.Value.N).Key);
        }

        session.Values[key] = (revision, n);
        return true;
    }

    bool TryAcceptLoose(Session session, long n)
    {
        if (n <= session.Forgotten || session.Loose.Contains(n) || session.HasPlaced(n) || session.HasValue(n))
        {
            return false;
        }

        session.Loose.Add(n);
        if (session.Loose.Count > maxEach)
        {
            session.Forgotten = Math.Max(session.Forgotten, session.Loose.Min);
            session.Loose.Remove(session.Loose.Min);
        }

        return true;
    }

    static Highest HighestOf(Session session)
    {
        long transient = Math.Max(session.Forgotten, session.Loose.Count > 0 ? session.Loose.Max : 0);
        return session.Placed is [.., var last] ? new(session.Epoch, last.Offset, last.N, transient) : new(null, null, session.Before, transient);
    }

    /// <summary>The index of the first at the offset or after it.</summary>
    static int FirstFrom(List<(long Offset, long N)> placed, long offset)
    {
        int low = 0, high = placed.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (placed[middle].Offset < offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    sealed class Session
    {
        public long LastUse { get; set; }

        public string? Epoch { get; set; }

        /// <summary>Of that epoch, by offset; <c>n</c> grows with it.</summary>
        public List<(long Offset, long N)> Placed { get; } = [];

        /// <summary>The highest of epochs before.</summary>
        public long Before { get; set; }

        /// <summary>Transient messages.</summary>
        public SortedSet<long> Loose { get; } = [];

        /// <summary>Transient messages up to here may have been forgotten, or placed ones with a transient one's number.</summary>
        public long Forgotten { get; set; }

        /// <summary>The newest value of each key.</summary>
        public Dictionary<string, (long Revision, long N)> Values { get; } = [];

        public bool HasValue(long n) => Values.Count > 0 && Values.Values.Any(v => v.N == n);

        public bool HasPlaced(long n)
        {
            int at = Placed.BinarySearch((0, n), Comparer<(long Offset, long N)>.Create((a, b) => a.N.CompareTo(b.N)));
            return at >= 0;
        }
    }
}
