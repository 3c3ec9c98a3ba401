using System.Globalization;

namespace OrleansRealtime.Bench;

/// <summary>Processes that are measured from outside, as <c>name=pid,name=pid</c> (or bare PIDs).</summary>
sealed class Processes
{
    /// <summary>Units of /proc's times in a second; the kernel's interface fixes it.</summary>
    const double TicksPerSecond = 100;

    readonly (string Name, int Id)[] _processes;

    public Processes(string list) => _processes = [.. list.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];

    public IReadOnlyList<string> Names => [.. _processes.Select(p => p.Name)];

    /// <summary>Seconds of CPU so far of each process, system time included.</summary>
    public double[] Cpu() => [.. _processes.Select(p => CpuOf(p.Id))];

    public long ResidentKilobytes() => _processes.Sum(p => StatusOf(p.Id, "VmRSS:"));

    /// <summary>The largest since <see cref="ForgetPeaks"/>, of each process.</summary>
    public Dictionary<string, double> PeakMegabytes() =>
        _processes.ToDictionary(p => p.Name, p => Math.Round(StatusOf(p.Id, "VmHWM:") / 1024.0, 1));

    public Dictionary<string, double> ResidentMegabytes() =>
        _processes.ToDictionary(p => p.Name, p => Math.Round(StatusOf(p.Id, "VmRSS:") / 1024.0, 1));

    public void ForgetPeaks()
    {
        foreach (var (_, id) in _processes)
        {
            File.WriteAllText($"/proc/{id}/clear_refs", "5");
        }
    }

    public static double CpuOf(int id)
    {
        // The name, in parentheses, may have spaces in it.
        string stat = File.ReadAllText($"/proc/{id}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (Number(fields[11]) + Number(fields[12])) / TicksPerSecond;
    }

    /// <summary>Seconds for which the machine has been busy, whoever it was.</summary>
    public static double MachineBusy()
    {
        // cpu user nice system idle iowait irq softirq steal …
        string[] fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (Number(fields[1]) + Number(fields[2]) + Number(fields[3]) + Number(fields[6]) + Number(fields[7])) / TicksPerSecond;
    }

    static long StatusOf(int id, string field) =>
        Number(File.ReadLines($"/proc/{id}/status").First(line => line.StartsWith(field, StringComparison.Ordinal))[field.Length..].Replace("kB", "", StringComparison.Ordinal));

    static (string Name, int Id) Parse(string text) => text.Split('=') is [var name, var id] ? (name, (int)Number(id)) : (text, (int)Number(text));

    static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>What processes and machine used between two moments.</summary>
sealed class Usage(Processes servers, Processes auxiliaries)
{
    readonly long _start = Clock.Now;
    readonly double[] _servers = servers.Cpu(), _auxiliaries = auxiliaries.Cpu();
    readonly double _self = Processes.CpuOf(Environment.ProcessId), _machine = Processes.MachineBusy();

    /// <summary>Seconds of CPU of each server since the start.</summary>
    public Dictionary<string, double> ByServer { get; } = [];

    public double Seconds { get; private set; }

    public double Servers { get; private set; }

    public double Auxiliaries { get; private set; }

    public double Self { get; private set; }

    /// <summary>What nobody here used: above about 0.2 of a core the run was disturbed.</summary>
    public double Others { get; private set; }

    public void Stop()
    {
        Seconds = Clock.Seconds(Clock.Now - _start);
        double[] now = servers.Cpu();
        for (int i = 0; i < now.Length; i++)
        {
            ByServer[servers.Names[i]] = now[i] - _servers[i];
        }

        Servers = ByServer.Values.Sum();
        Auxiliaries = auxiliaries.Cpu().Sum() - _auxiliaries.Sum();
        Self = Processes.CpuOf(Environment.ProcessId) - _self;
        Others = Processes.MachineBusy() - _machine - Servers - Auxiliaries - Self;
    }
}
