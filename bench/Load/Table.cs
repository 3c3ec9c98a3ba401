using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OrleansRealtime.Bench;

/// <summary>Lines of JSON as a markdown table; several runs of the same thing as mean (least–most).</summary>
static class Table
{
    static readonly (string Title, string Field)[] s_columns =
    [
        ("publishes/s", "publishes_per_s"), ("deliveries/s", "deliveries_per_s"), ("server µs", "server_us"), ("Redis µs", "redis_us"),
        ("ack p50 ms", "ack_p50_ms"), ("ack p99 ms", "ack_p99_ms"), ("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("p99.9 ms", "p999_ms"), ("max ms", "max_ms"),
        ("server cores", "server_cores"), ("Redis cores", "redis_cores"), ("load cores", "load_cores"), ("other cores", "other_cores"),
        ("KiB/conn", "kb_per_connection"), ("moved", "moved"), ("resumed p50 ms", "resumed_p50_ms"), ("resumed p99 ms", "resumed_p99_ms"),
        ("resumed max ms", "resumed_max_ms"), ("published since", "published_since"), ("lost", "lost"), ("disordered", "disordered"),
    ];

    public static void Print(IEnumerable<string> lines)
    {
        var runs = lines.Where(line => line.StartsWith('{')).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var columns = s_columns.Where(c => runs.Exists(run => run.TryGetProperty(c.Field, out _))).ToList();
        Console.WriteLine($"| scenario | peer | runs | {string.Join(" | ", columns.Select(c => c.Title))} | µs by process | peak MiB |");
        Console.WriteLine($"|---|---|---{string.Concat(Enumerable.Repeat("|---", columns.Count + 2))}|");
        foreach (var group in runs.GroupBy(run => (run.GetProperty("scenario").GetString(), run.GetProperty("peer").GetString())).OrderBy(g => g.Key))
        {
            var cells = columns.Select(c => Cell([.. Values(group, c.Field)]));
            Console.WriteLine($"| {group.Key.Item1} | {group.Key.Item2} | {group.Count()} | {string.Join(" | ", cells)} | {ByProcess(group, "us_by_process")} | {ByProcess(group, "rss_peak_mb")} |");
        }
    }

    static string Cell(double[] values) => values switch
    {
        [] => "",
        [var one] => Text(one),
        _ when values.All(v => v == 0) => "0",
        _ => $"{Text(values.Average())} ({Text(values.Min())}–{Text(values.Max())})",
    };

    static string Text(double value) => value.ToString(value >= 1000 || value == Math.Floor(value) ? "N0" : value >= 100 ? "F0" : "F2", CultureInfo.InvariantCulture);

    static string ByProcess(IEnumerable<JsonElement> group, string field)
    {
        var text = new StringBuilder();
        foreach (var process in group.Where(run => run.TryGetProperty(field, out _))
            .SelectMany(run => run.GetProperty(field).EnumerateObject()).GroupBy(p => p.Name, p => p.Value.GetDouble()))
        {
            text.Append(text.Length > 0 ? ", " : "").Append(process.Key).Append(' ').Append(Text(process.Average()));
        }

        return text.ToString();
    }

    static IEnumerable<double> Values(IEnumerable<JsonElement> runs, string field) =>
        runs.Where(run => run.TryGetProperty(field, out _)).Select(run => run.GetProperty(field).GetDouble());
}
