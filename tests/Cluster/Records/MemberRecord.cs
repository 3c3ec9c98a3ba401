namespace OrleansRealtime.Tests.Cluster.Records;

/// <summary>A place in a channel's log.</summary>
readonly record struct Place(string Epoch, long Offset)
{
    /// <summary>Reads <c>epoch:offset</c>.</summary>
    public static Place Parse(string cursor)
    {
        int colon = cursor.IndexOf(':', StringComparison.Ordinal);
        return new(cursor[..colon], long.Parse(cursor.AsSpan(colon + 1), System.Globalization.CultureInfo.InvariantCulture));
    }

    public override string ToString() => $"{Epoch}:{Offset}";
}

enum EntryKind
{
    /// <summary>The client was told that it gets what comes after the place.</summary>
    Began,

    /// <summary>A message at the place.</summary>
    Received,

    /// <summary>The client came back with the place as its cursor.</summary>
    Resumed,

    /// <summary>The client was told that messages are gone for good.</summary>
    Gap,
}

sealed record Entry(EntryKind Kind, Place Place, string? MessageId, DateTime At);

/// <summary>What one client has been told of one channel, in the order in which it was told.</summary>
/// <param name="member">The client.</param>
/// <param name="channel"><c>room:name</c> or <c>user:name</c>.</param>
sealed class MemberRecord(string member, string channel)
{
    readonly List<Entry> _entries = [];
    int _resumed = -1;

    public string Member => member;

    public string Channel => channel;

    /// <summary>What the client resumes with; null where it has not been told of any place.</summary>
    public Place? Cursor { get; private set; }

    public IReadOnlyList<Entry> Entries
    {
        get
        {
            lock (_entries)
            {
                return [.. _entries];
            }
        }
    }

    /// <summary>The answer to a join without a cursor, which may be handled after messages that follow it.</summary>
    public void Begin(Place place)
    {
        lock (_entries)
        {
            _entries.Insert(0, new(EntryKind.Began, place, null, DateTime.UtcNow));
            Cursor ??= place;
        }
    }

    public void Receive(Place place, string? messageId)
    {
        lock (_entries)
        {
            _entries.Add(new(EntryKind.Received, place, messageId, DateTime.UtcNow));
            Cursor = place;
        }
    }

    /// <summary>Before the cursor is used: whether it was any good is answered only after messages that come before the answer.</summary>
    public void Resume()
    {
        lock (_entries)
        {
            _resumed = _entries.Count;
            _entries.Add(new(EntryKind.Resumed, Cursor ?? default, null, DateTime.UtcNow));
        }
    }

    /// <summary>The cursor was no good: what has come since <see cref="Resume"/> follows a gap.</summary>
    public void NotRecovered()
    {
        lock (_entries)
        {
            _entries[_resumed] = _entries[_resumed] with { Kind = EntryKind.Gap };
        }
    }

    public void Gap(Place place)
    {
        lock (_entries)
        {
            _entries.Add(new(EntryKind.Gap, place, null, DateTime.UtcNow));
            Cursor = place;
        }
    }
}
