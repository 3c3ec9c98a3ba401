using System.Globalization;
using System.Text;

namespace OrleansRealtime.Tests.Cluster.Records;

/// <summary>What a run has come to.</summary>
sealed record Verdict(
    IReadOnlyList<Violation> Violations,
    IReadOnlyList<MemberRecord> Records,
    IReadOnlyDictionary<string, IReadOnlyList<LogEntry>> Logs,
    Ledger Ledger,
    Chronicle Chronicle)
{
    /// <summary>Violations that are explained at length, and entries of a record around one.</summary>
    const int Explained = 5, EntriesAround = 6;

    public bool IsGood => Violations.Count == 0;

    public int Gaps => Records.Sum(r => r.Entries.Count(e => e.Kind == EntryKind.Gap));

    public int Count(params ViolationKind[] kinds) => Violations.Count(v => kinds.Contains(v.Kind));

    /// <summary>The violations, and the history around the first of them.</summary>
    public string Explain()
    {
        var text = new StringBuilder();
        var kinds = Violations.GroupBy(v => v.Kind).Select(g => $"{g.Count()} {g.Key}");
        text.AppendLine(CultureInfo.InvariantCulture, $"{Violations.Count} violations: {string.Join(", ", kinds)}");
        foreach (var violation in Violations.Take(Explained))
        {
            text.AppendLine().AppendLine(violation.ToString());
            var record = Records.FirstOrDefault(r => r.Member == violation.Subject && r.Channel == violation.Channel);
            foreach (var entry in record is null ? [] : Around(record.Entries, violation.At))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  {entry.At:HH:mm:ss.fff} {entry.Kind} {entry.Place} {entry.MessageId}");
            }

            text.AppendLine(Chronicle.Tell(violation.Subject, violation.At));
        }

        foreach (var violation in Violations.Skip(Explained).Take(20))
        {
            text.AppendLine(violation.ToString());
        }

        return text.ToString();
    }

    static IEnumerable<Entry> Around(IReadOnlyList<Entry> entries, DateTime? at)
    {
        int index = at is { } time ? entries.ToList().FindIndex(e => e.At >= time) : entries.Count - 1;
        return entries.Skip(Math.Max(0, index - EntriesAround)).Take(EntriesAround * 2);
    }
}
