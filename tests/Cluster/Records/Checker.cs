namespace OrleansRealtime.Tests.Cluster.Records;

enum ViolationKind
{
    /// <summary>Acknowledged and not in the log, or in the log and not in a member's record.</summary>
    Lost,

    /// <summary>Twice in the log, or twice in a member's record.</summary>
    Doubled,

    /// <summary>A member saw it before a message that precedes it in the log, or it precedes what was acknowledged before it was published.</summary>
    Reordered,

    /// <summary>Acknowledged at a place where the log has another message, or seen there.</summary>
    WrongPlace,

    /// <summary>Tried, and not acknowledged in all the time there was.</summary>
    Unacknowledged,

    /// <summary>In the log, and published by nobody.</summary>
    Invented,

    /// <summary>An answer that no failure explains.</summary>
    Error,

    /// <summary>Presence does not say who is there.</summary>
    Presence,
}

/// <param name="Subject">The client that it concerns.</param>
/// <param name="At">When it came about, as far as that is known.</param>
sealed record Violation(ViolationKind Kind, string Channel, string Subject, string Text, DateTime? At = null)
{
    public override string ToString() => $"{Kind} in {Channel}, {Subject}: {Text}";
}

/// <summary>A message as the log has it at the end.</summary>
sealed record LogEntry(Place Place, string? MessageId);

/// <summary>Compares what was promised, what the logs have, and what every member has seen.</summary>
/// <param name="logs">By channel, oldest first.</param>
sealed class Checker(IReadOnlyDictionary<string, IReadOnlyList<LogEntry>> logs)
{
    readonly List<Violation> _violations = [];

    public static IReadOnlyList<Violation> Check(
        IReadOnlyDictionary<string, IReadOnlyList<LogEntry>> logs, Ledger ledger, IEnumerable<MemberRecord> members)
    {
        var checker = new Checker(logs);
        checker.CheckLogs(ledger);
        checker.CheckAcknowledgements(ledger);
        foreach (var member in members)
        {
            checker.CheckMember(member);
        }

        checker._violations.AddRange(ledger.Errors.Select(e => new Violation(ViolationKind.Error, "", e.Client, e.Error, e.At)));
        return checker._violations;
    }

    /// <summary>Consecutive offsets from 1, each message once, and nothing that nobody has published.</summary>
    void CheckLogs(Ledger ledger)
    {
        foreach (var (channel, log) in logs)
        {
            for (int i = 0; i < log.Count; i++)
            {
                if (log[i].Place.Offset != i + 1)
                {
                    Add(ViolationKind.Lost, channel, "log", $"offset {i + 1} is missing, {log[i].Place} is in its place");
                    break;
                }
            }

            foreach (var twice in log.GroupBy(e => e.MessageId).Where(g => g.Count() > 1))
            {
                Add(ViolationKind.Doubled, channel, "log", $"{twice.Key} is at {string.Join(" and ", twice.Select(e => e.Place))}");
            }

            foreach (var entry in log.Where(e => e.MessageId is null || !ledger.Tried.TryGetValue(e.MessageId, out string? of) || of != channel))
            {
                Add(ViolationKind.Invented, channel, "log", $"{entry.MessageId} at {entry.Place}");
            }
        }
    }

    /// <summary>What was acknowledged is where its publisher was told; what was published later comes later.</summary>
    void CheckAcknowledgements(Ledger ledger)
    {
        var acknowledged = ledger.Acknowledged.ToList();
        foreach (var inChannel in acknowledged.GroupBy(a => a.Channel))
        {
            var places = new Dictionary<string, Place>();
            foreach (var entry in logs[inChannel.Key].Where(e => e.MessageId is not null))
            {
                places.TryAdd(entry.MessageId!, entry.Place);
            }

            foreach (var each in inChannel)
            {
                if (!places.TryGetValue(each.MessageId, out var place))
                {
                    Add(ViolationKind.Lost, each, $"{each.MessageId} was acknowledged at {each.Place} and is not in the log");
                }
                else if (place != each.Place)
                {
                    Add(ViolationKind.WrongPlace, each, $"{each.MessageId} was acknowledged at {each.Place} and is at {place}");
                }
            }

            CheckOrder([.. inChannel]);
        }

        foreach (var (id, channel) in ledger.Tried.ExceptBy(acknowledged.Select(a => a.MessageId), t => t.Key))
        {
            Add(ViolationKind.Unacknowledged, channel, id, $"{id} was never acknowledged");
        }
    }

    /// <summary>What was begun after another message had been acknowledged comes after it.</summary>
    void CheckOrder(List<Acknowledgement> inChannel)
    {
        var promised = new Queue<Acknowledgement>(inChannel.OrderBy(a => a.At));
        var latest = new Dictionary<string, Acknowledgement>();
        foreach (var next in inChannel.OrderBy(a => a.Begun))
        {
            while (promised.TryPeek(out var former) && former.At < next.Begun)
            {
                promised.Dequeue();
                if (!latest.TryGetValue(former.Place.Epoch, out var before) || former.Place.Offset > before.Place.Offset)
                {
                    latest[former.Place.Epoch] = former;
                }
            }

            if (latest.TryGetValue(next.Place.Epoch, out var last) && last.Place.Offset >= next.Place.Offset)
            {
                Add(ViolationKind.Reordered, next, $"{next.MessageId} at {next.Place} was begun after {last.MessageId} had been acknowledged at {last.Place}");
            }
        }
    }

    /// <summary>Every message of the log once and in order, from where the member began to the end; after a gap it begins anew.</summary>
    void CheckMember(MemberRecord member)
    {
        var log = logs[member.Channel];
        var byPlace = log.ToDictionary(e => e.Place, e => e.MessageId);
        string? epoch = log.Count > 0 ? log[0].Place.Epoch : null;
        var entries = member.Entries;
        var seen = entries.Where(e => e.Kind == EntryKind.Received).Select(e => e.Place).ToHashSet();
        var before = new HashSet<Place>();
        Place? last = null;
        bool afterGap = false;
        foreach (var entry in entries)
        {
            switch (entry.Kind)
            {
                case EntryKind.Began:
                    last = entry.Place;
                    break;
                case EntryKind.Gap:
                    afterGap = true;
                    break;
                case EntryKind.Received:
                    CheckNext(member, entry, afterGap ? null : last, before, seen);
                    string? there = byPlace.GetValueOrDefault(entry.Place);
                    if (entry.Place.Epoch == epoch && there != entry.MessageId)
                    {
                        Add(ViolationKind.WrongPlace, member, $"saw {entry.MessageId} at {entry.Place}, where the log has {there ?? "nothing"}", entry.At);
                    }

                    last = last is { } place && place.Epoch == entry.Place.Epoch && place.Offset > entry.Place.Offset ? last : entry.Place;
                    afterGap = false;
                    break;
            }
        }

        // What was told to be gone may be all there was.
        if (log.Count > 0 && last != log[^1].Place && !afterGap)
        {
            Add(ViolationKind.Lost, member, $"the log ends at {log[^1].Place}, what was seen at {last?.ToString() ?? "nothing"}", entries.Count > 0 ? entries[^1].At : null);
        }
    }

    void CheckNext(MemberRecord member, Entry entry, Place? last, HashSet<Place> before, HashSet<Place> seen)
    {
        var place = entry.Place;
        if (!before.Add(place))
        {
            Add(ViolationKind.Doubled, member, $"saw {entry.MessageId} at {place} twice", entry.At);
            return;
        }

        if (last is not { } former)
        {
            return;
        }

        if (former.Epoch != place.Epoch)
        {
            Add(ViolationKind.Lost, member, $"another epoch began with {place} after {former}, and nobody told", entry.At);
        }
        else if (place.Offset <= former.Offset)
        {
            Add(ViolationKind.Reordered, member, $"saw {entry.MessageId} at {place} after {former}", entry.At);
        }
        else
        {
            long next = former.Offset + 1;
            while (next < place.Offset && seen.Contains(place with { Offset = next }))
            {
                next++;
            }

            if (next < place.Offset)
            {
                Add(ViolationKind.Lost, member, $"never saw offset {next}, between {former} and {place}", entry.At);
            }
        }
    }

    void Add(ViolationKind kind, Acknowledgement promise, string text) => Add(kind, promise.Channel, promise.Publisher, text, promise.At);

    void Add(ViolationKind kind, MemberRecord member, string text, DateTime? at) => Add(kind, member.Channel, member.Member, text, at);

    void Add(ViolationKind kind, string channel, string subject, string text, DateTime? at = null) =>
        _violations.Add(new(kind, channel, subject, text, at));
}
