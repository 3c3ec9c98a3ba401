using System.Diagnostics;
using System.Text;

namespace OrleansRealtime.Bench;

/// <summary>
/// Everybody is in one room, the first server is killed, and its clients connect to the last one at once, each with its cursor, while the
/// room's messages go on. Each client must have every message once and in order in the end.
/// </summary>
sealed class JoinStorm : IScenario
{
    /// <summary>How long all may take to resume.</summary>
    const double PatienceSeconds = 60;

    readonly LoadOptions _options;
    readonly Crowd _crowd;
    readonly RoomTraffic _traffic;
    readonly int _survivor;

    /// <summary>A cursor after each message, by the message's number: they are the same for all clients.</summary>
    readonly List<string?> _cursors = [null];

    readonly Queue<Connection> _homeless = new();
    readonly Latencies _resumed = new(), _caughtUp = new();
    readonly HashSet<int> _behind = [];
    long _start, _scheduled, _killedAt, _numberAtKill, _retries, _unrecovered, _refused, _presence;

    public JoinStorm(LoadOptions options)
    {
        _options = options;
        _crowd = new(options, this);
        _traffic = new(options, _crowd);
        _survivor = options.Ports.Length - 1;
    }

    public int Run()
    {
        var victim = Process.GetProcessById((int)_options.Number("kill-pid", 0));
        bool evenly = _options.Text("place", "even") == "even";

        // The publisher, the last connection, lives through it.
        _crowd.ConnectAll(number => number == _options.Connections - 1 ? _survivor : evenly ? number % _options.Ports.Length : 0);
        _traffic.Settle(_options.Ports.Length);
        _traffic.Rooms[0].Publisher = _crowd.Connections[^1];
        _crowd.PumpFor(2);
        _start = Clock.Now;
        PublishUntil(_start + Clock.Ticks(_options.Warmup), untilAllAreBack: false);

        int moving = _crowd.Connections.Count(c => c.Server == 0);
        var before = _options.Servers.ResidentMegabytes();
        _options.Servers.ForgetPeaks();
        var usage = new Usage(_options.Servers, _options.Auxiliaries);
        (_killedAt, _numberAtKill, _traffic.Measuring) = (Clock.Now, _traffic.Rooms[0].Published, true);
        victim.Kill();
        PublishUntil(_killedAt + Clock.Ticks(PatienceSeconds), untilAllAreBack: true);
        long resumed = _resumed.Count;
        usage.Stop();
        PublishUntil(Clock.Now + Clock.Ticks(_options.Seconds), untilAllAreBack: false);
        _traffic.Measuring = false;
        _traffic.Drain();
        return new Report(_options, "join storm")
            .Add("moved", moving)
            .Add(_resumed, "resumed_")
            .Add(_caughtUp, "first_live_message_")
            .Add(_traffic.Latencies, "delivery_")
            .Add("published_since", _traffic.Rooms[0].Published - _numberAtKill)
            .Add("presence_deliveries", _presence)
            .Add("retries", _retries)
            .Add("rss_before_mb", before)
            .Add("rss_peak_mb", _options.Servers.PeakMegabytes())
            .Add(usage, moving)
            .Fault("not_resumed", moving - resumed)
            .Fault("not_recovered", _unrecovered)
            .Fault("lost", _traffic.Expected - _traffic.Delivered)
            .Fault("behind", _crowd.Connections.Count(c => c.Last != _traffic.Rooms[0].Published))
            .Fault("disordered", _traffic.Disordered)
            .Fault("refused", _refused)
            .Print();
    }

    public void Joined(Connection connection, ReadOnlySpan<byte> answer)
    {
        if (_killedAt == 0)
        {
            connection.Cursor = CursorIn(answer);
            return;
        }

        _resumed.Add(Clock.Now - _killedAt);
        _unrecovered += answer.IndexOf("\"recovered\":true"u8) < 0 ? 1 : 0;
        _behind.Add(connection.Number);
    }

    public void Received(Connection connection, ReadOnlySpan<byte> text, long now)
    {
        if (connection.State == ConnectionState.Ready && text.StartsWith("{\"type\":3"u8) && text.IndexOf("\"error\":"u8) >= 0)
        {
            _refused++;
        }

        _presence += _killedAt > 0 && text.IndexOf("\"target\":\"presence\""u8) >= 0 ? 1 : 0;
        long number = _traffic.Count(connection, text, now);
        if (number == _cursors.Count)
        {
            _cursors.Add(CursorIn(text));
        }

        if (number > 0 && _behind.Count > 0 && connection.State == ConnectionState.Ready && _behind.Remove(connection.Number))
        {
            _caughtUp.Add(now - _killedAt);
        }
    }

    public void Closed(Connection connection)
    {
        if (_killedAt > 0)
        {
            _retries += connection.Server == _survivor ? 1 : 0;
            _homeless.Enqueue(connection);
        }
    }

    static string CursorIn(ReadOnlySpan<byte> text)
    {
        var cursor = text[(text.IndexOf("\"cursor\":\""u8) + 10)..];
        return Encoding.ASCII.GetString(cursor[..cursor.IndexOf((byte)'"')]);
    }

    void PublishUntil(long end, bool untilAllAreBack)
    {
        while (Clock.Now < end && !(untilAllAreBack && _crowd.ReadyCount == _crowd.Connections.Count && _resumed.Count > 0))
        {
            long due;
            while ((due = _start + Clock.Ticks(_scheduled / _options.Rate)) <= Clock.Now)
            {
                _scheduled++;
                _traffic.Publish(0, due);
            }

            _crowd.Pump(Math.Min(end, due));
            for (int waiting = _homeless.Count; waiting > 0; waiting--)
            {
                var connection = _homeless.Dequeue();
                connection.Cursor = connection.Last > 0 ? _cursors[(int)connection.Last] : connection.Cursor;
                _crowd.Open(connection, _survivor);
            }
        }
    }
}
