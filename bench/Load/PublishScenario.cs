using System.Buffers.Text;

namespace OrleansRealtime.Bench;

/// <summary>
/// Everybody in one room publishes, with a window of unacknowledged publications for each connection. The acknowledgements are counted; the
/// members' messages are checked by the offsets that the server gave them.
/// </summary>
sealed class PublishScenario : IScenario
{
    const int IdDigits = 8;

    readonly LoadOptions _options;
    readonly Crowd _crowd;
    readonly RoomTraffic _traffic;

    /// <summary>When a publication was sent, by its number; more than can be in flight.</summary>
    readonly long[] _sentAt = new long[1 << 20];

    readonly Latencies _acknowledgements = new();
    long _acknowledged, _refused;
    bool _publishing;

    public PublishScenario(LoadOptions options)
    {
        _options = options;
        _crowd = new(options, this);
        _traffic = new(options, _crowd);
    }

    public int Run()
    {
        _crowd.ConnectAll(number => number % _options.Ports.Length);
        _traffic.Settle(_options.Ports.Length);
        _crowd.PumpFor(1);
        _publishing = true;
        foreach (var connection in _crowd.Connections)
        {
            Fill(connection);
        }

        _crowd.PumpFor(_options.Warmup);
        (long acknowledged, long delivered) = (_acknowledged, _traffic.Delivered);
        _traffic.Measuring = true;
        var usage = new Usage(_options.Servers, _options.Auxiliaries);
        _crowd.PumpFor(_options.Seconds);
        usage.Stop();
        _traffic.Measuring = false;
        (acknowledged, delivered) = (_acknowledged - acknowledged, _traffic.Delivered - delivered);
        _publishing = false;
        _traffic.Drain();
        return new Report(_options, "publish")
            .Add("publishes_per_s", acknowledged / usage.Seconds)
            .Add("deliveries_per_s", delivered / usage.Seconds)
            .Add(_acknowledgements, "ack_")
            .Add(_traffic.Latencies)
            .Add(usage, acknowledged)
            .Fault("lost", _traffic.Expected - _traffic.Delivered)
            .Fault("unacknowledged", _traffic.Rooms.Sum(room => room.Published) - _acknowledged - _refused)
            .Fault("refused", _refused)
            .Fault("disordered", _traffic.Disordered)
            .Fault("misrouted", _traffic.Misrouted)
            .Fault("closed", _crowd.ClosedCount)
            .Print();
    }

    public void Received(Connection connection, ReadOnlySpan<byte> text, long now)
    {
        if (text.StartsWith("{\"type\":3"u8) && connection.State == ConnectionState.Ready)
        {
            Acknowledge(connection, text, now);
        }
        else if (_traffic.Count(connection, text, now, inOrder: false) > 0)
        {
            CheckOffset(connection, text);
        }
    }

    void Fill(Connection connection)
    {
        while (_publishing && connection.Unacknowledged < _options.Window)
        {
            long now = Clock.Now;
            connection.Unacknowledged++;
            _sentAt[_traffic.Publish(connection.Room, now, connection) % _sentAt.Length] = now;
        }
    }

    void Acknowledge(Connection connection, ReadOnlySpan<byte> text, long now)
    {
        int at = text.IndexOf("\"invocationId\":\""u8);
        if (at < 0 || !Utf8Parser.TryParse(text.Slice(at + 16, IdDigits), out long number, out int digits, 'X') || digits != IdDigits)
        {
            return;
        }

        connection.Unacknowledged--;
        if (text.IndexOf("\"error\":"u8) >= 0)
        {
            _refused++;
        }
        else
        {
            _acknowledged++;
            if (_traffic.Measuring)
            {
                _acknowledgements.Add(now - _sentAt[number % _sentAt.Length]);
            }
        }

        Fill(connection);
    }

    void CheckOffset(Connection connection, ReadOnlySpan<byte> text)
    {
        int at = text.IndexOf("\"offset\":"u8);
        if (at >= 0 && Utf8Parser.TryParse(text[(at + 9)..], out long offset, out _))
        {
            if (connection.Last >= 0 && offset != connection.Last + 1)
            {
                _traffic.CountDisordered();
            }

            connection.Last = offset;
        }
    }
}
