using System.Text.Json;

namespace OrleansRealtime.Bench;

/// <summary>One run's result: one line of JSON.</summary>
sealed class Report
{
    readonly Dictionary<string, object> _fields = [];

    public Report(LoadOptions options, string scenario)
    {
        _fields["scenario"] = options.Text("scenario", scenario);
        _fields["peer"] = options.Text("peer", options.Text("target", "signalr"));
        (_fields["connections"], _fields["rooms"], _fields["servers"]) = (options.Connections, options.Rooms, options.Ports.Length);
    }

    /// <summary>Whether everything came once, in order and where it should.</summary>
    public bool IsFaultless { get; private set; } = true;

    public Report Add(string name, double value)
    {
        _fields[name] = Math.Round(value, 3);
        return this;
    }

    public Report Add(string name, Dictionary<string, double> values)
    {
        _fields[name] = values;
        return this;
    }

    /// <summary>A count that should be zero.</summary>
    public Report Fault(string name, long count)
    {
        _fields[name] = count;
        IsFaultless &= count == 0;
        return this;
    }

    public Report Add(Latencies latencies, string prefix = "") => Add(prefix + "p50_ms", latencies.Milliseconds(0.5))
        .Add(prefix + "p99_ms", latencies.Milliseconds(0.99))
        .Add(prefix + "p999_ms", latencies.Milliseconds(0.999))
        .Add(prefix + "max_ms", latencies.MaxMilliseconds);

    /// <summary>CPU in cores, and in microseconds for each of what was counted.</summary>
    public Report Add(Usage usage, long count)
    {
        double each = count == 0 ? 0 : 1e6 / count;
        return Add("server_us", usage.Servers * each)
            .Add("redis_us", usage.Auxiliaries * each)
            .Add("load_us", usage.Self * each)
            .Add("us_by_process", usage.ByServer.ToDictionary(p => p.Key, p => Math.Round(p.Value * each, 3)))
            .Add("server_cores", usage.Servers / usage.Seconds)
            .Add("redis_cores", usage.Auxiliaries / usage.Seconds)
            .Add("load_cores", usage.Self / usage.Seconds)
            .Add("other_cores", usage.Others / usage.Seconds);
    }

    /// <returns>The process's exit code.</returns>
    public int Print()
    {
        Console.WriteLine(JsonSerializer.Serialize(_fields));
        return IsFaultless ? 0 : 2;
    }
}
