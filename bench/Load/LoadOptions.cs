using System.Globalization;

namespace OrleansRealtime.Bench;

/// <summary>The command line: a mode, then <c>--name value</c>. README.md says what each is.</summary>
sealed class LoadOptions
{
    static readonly HashSet<string> s_names =
    [
        "target", "path", "join", "send", "token-key", "users", "servers", "server-pids", "aux-pids", "peer", "scenario", "connections", "rooms", "window",
        "rate", "idle", "warmup", "seconds", "payload", "place", "kill-pid",
    ];

    readonly Dictionary<string, string> _values = [];

    public LoadOptions(IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i += 2)
        {
            string name = arguments[i].StartsWith("--", StringComparison.Ordinal) ? arguments[i][2..] : "";
            if (!s_names.Contains(name) || i + 1 == arguments.Count)
            {
                throw new ArgumentException($"'{arguments[i]}' is not an option with a value.");
            }

            _values[name] = arguments[i + 1];
        }

        Ports = [.. Text("servers", "127.0.0.1:5000").Split(',').Select(ParsePort)];
        Connections = (int)Number("connections", 100);
        Rooms = Math.Clamp((int)Number("rooms", 1), 1, Connections);
        Window = Math.Max(1, (int)Number("window", 8));
        Rate = Number("rate", 0);
        Warmup = Number("warmup", 3);
        Seconds = Number("seconds", 6);
        PayloadBytes = Math.Max(RoomTraffic.MarkBytes, (int)Number("payload", 128));
        Servers = new(Text("server-pids", ""));
        Auxiliaries = new(Text("aux-pids", ""));
    }

    public int[] Ports { get; }

    public int Connections { get; }

    public int Rooms { get; }

    /// <summary>Messages in flight: in each room (fan-out), or of each connection (publish).</summary>
    public int Window { get; }

    /// <summary>Messages a second over all rooms; 0: as many as the window allows.</summary>
    public double Rate { get; }

    public double Warmup { get; }

    public double Seconds { get; }

    public int PayloadBytes { get; }

    public Processes Servers { get; }

    public Processes Auxiliaries { get; }

    public string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);

    public double Number(string name, double otherwise) =>
        _values.TryGetValue(name, out string? text) ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    static int ParsePort(string server) => server.StartsWith("127.0.0.1:", StringComparison.Ordinal)
        ? int.Parse(server["127.0.0.1:".Length..], CultureInfo.InvariantCulture)
        : throw new ArgumentException($"'{server}' is not 127.0.0.1:PORT. The generator measures on loopback only.");
}
