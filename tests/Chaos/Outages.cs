using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Chaos;

/// <summary>How long clients had to wait, by the kind of fault that made them.</summary>
static class Outages
{
    /// <summary>A wait belongs to the latest fault that had begun by then, or begins so soon after.</summary>
    static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(500);

    /// <summary>A line for each kind: how many there were, and the longest wait for an acknowledgement and for a delivery.</summary>
    public static IReadOnlyList<(FaultKind Kind, int Count, TimeSpan Publish, TimeSpan Delivery)> Measure(IReadOnlyList<Injected> faults, Verdict verdict)
    {
        var publish = new Dictionary<FaultKind, TimeSpan>();
        var delivery = new Dictionary<FaultKind, TimeSpan>();
        var acknowledged = new Dictionary<string, DateTime>();
        foreach (var each in verdict.Ledger.Acknowledged)
        {
            acknowledged[each.MessageId] = each.At;
            Add(publish, each.Begun, each.At);
        }

        // Visitors are away for reasons of their own.
        foreach (var entry in verdict.Records.Where(r => r.Channel.StartsWith("room:", StringComparison.Ordinal)).SelectMany(r => r.Entries))
        {
            if (entry.MessageId is { } id && acknowledged.TryGetValue(id, out var at))
            {
                Add(delivery, at, entry.At);
            }
        }

        return [.. faults.GroupBy(f => f.Fault.Kind).OrderBy(g => g.Key).Select(g => (g.Key, g.Count(), publish.GetValueOrDefault(g.Key), delivery.GetValueOrDefault(g.Key)))];

        void Add(Dictionary<FaultKind, TimeSpan> longest, DateTime from, DateTime to)
        {
            if (faults.LastOrDefault(f => f.Began <= from + Soon) is { } fault && to - from > longest.GetValueOrDefault(fault.Fault.Kind))
            {
                longest[fault.Fault.Kind] = to - from;
            }
        }
    }
}
