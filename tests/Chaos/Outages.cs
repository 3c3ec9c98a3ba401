using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Chaos;

/// <param name="Client">Who waited.</param>
sealed record Wait(string Client, string MessageId, DateTime From, DateTime To, int Attempts)
{
    public static readonly Wait None = new("", "", default, default, 0);

    public TimeSpan Length => To - From;
}

/// <param name="Faults">The kind of fault, or that several came together.</param>
/// <param name="Publish">The longest wait for an acknowledgement.</param>
/// <param name="Delivery">The longest wait from an acknowledgement until a member had the message.</param>
sealed record Outage(string Faults, int Count, Wait Publish, Wait Delivery);

/// <summary>How long clients had to wait, by the fault that made them.</summary>
static class Outages
{
    const string Several = "several at once", NoFault = "before any";

    /// <summary>What was tried so shortly before a fault was hit by it.</summary>
    static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(500);

    public static IReadOnlyList<Outage> Measure(IReadOnlyList<Injected> faults, Verdict verdict)
    {
        var outages = new Dictionary<string, Outage>();
        foreach (var kind in faults.GroupBy(f => f.Fault.Kind).OrderBy(g => g.Key))
        {
            outages[$"{kind.Key}"] = new($"{kind.Key}", kind.Count(), Wait.None, Wait.None);
        }

        var acknowledged = new Dictionary<string, Acknowledgement>();
        foreach (var each in verdict.Ledger.Acknowledged)
        {
            acknowledged[each.MessageId] = each;
            var wait = new Wait(each.Publisher, each.MessageId, each.Begun, each.At, each.Attempts);
            Change(wait, o => wait.Length > o.Publish.Length ? o with { Publish = wait } : o);
        }

        // Visitors are away for reasons of their own.
        foreach (var record in verdict.Records.Where(r => r.Channel.StartsWith("room:", StringComparison.Ordinal)))
        {
            foreach (var entry in record.Entries.Where(e => e.MessageId is not null))
            {
                if (acknowledged.TryGetValue(entry.MessageId!, out var promise))
                {
                    var wait = new Wait(record.Member, entry.MessageId!, promise.At, entry.At, promise.Attempts);
                    Change(wait, o => wait.Length > o.Delivery.Length ? o with { Delivery = wait } : o);
                }
            }
        }

        return [.. outages.Values];

        void Change(Wait wait, Func<Outage, Outage> change)
        {
            string cause = CauseOf(faults, wait);
            outages[cause] = change(outages.GetValueOrDefault(cause) ?? new(cause, 0, Wait.None, Wait.None));
        }
    }

    /// <summary>The latest fault that had begun when the wait began; where others lasted then, or came before its end, it is not known which.</summary>
    static string CauseOf(IReadOnlyList<Injected> faults, Wait wait)
    {
        var begun = faults.Where(f => f.Began <= wait.From + Soon).ToList();
        if (begun.Count == 0)
        {
            return NoFault;
        }

        var latest = begun.MaxBy(f => f.Began)!;
        bool IsAnother(Injected fault) => fault.Fault.Kind != latest.Fault.Kind && fault.Began < wait.To && fault.Ended > wait.From;
        return faults.Any(IsAnother) ? Several : $"{latest.Fault.Kind}";
    }
}
