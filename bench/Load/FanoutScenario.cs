namespace OrleansRealtime.Bench;

/// <summary>One publisher in each room, everybody receives: as fast as a window of messages in flight allows, or at a rate, or nothing at all.</summary>
sealed class FanoutScenario : IScenario
{
    /// <summary>Without any delivery for so long, a flooded room is given one more message, and the stall is counted.</summary>
    const double StallSeconds = 5;

    /// <summary>Messages of a room that may be in flight at a rate; beyond them the schedule is not kept, which is counted.</summary>
    const int MostInFlight = 1000;

    readonly LoadOptions _options;
    readonly Crowd _crowd;
    readonly RoomTraffic _traffic;
    readonly bool _idle;
    long _stalls, _skipped, _scheduled, _start;

    public FanoutScenario(LoadOptions options)
    {
        _options = options;
        _crowd = new(options, this);
        _traffic = new(options, _crowd);
        _idle = options.Text("idle", "no") == "yes";
    }

    public int Run()
    {
        var report = new Report(_options, "fanout");
        long resident = _options.Servers.ResidentKilobytes(), start = Clock.Now;
        _crowd.ConnectAll(number => number / _options.Rooms % _options.Ports.Length);
        report.Add("connect_s", Clock.Seconds(Clock.Now - start));
        _traffic.Settle(_options.Ports.Length);

        // What follows the joins (presence, growth of heaps) is not to be measured with the messages.
        _crowd.PumpFor(2);
        var idle = new Usage(_options.Servers, _options.Auxiliaries);
        _crowd.PumpFor(_idle ? _options.Seconds : 0);
        report.Add("kb_per_connection", (double)(_options.Servers.ResidentKilobytes() - resident) / _options.Connections);
        if (_idle)
        {
            idle.Stop();
            report.Add(idle, 0);
        }
        else
        {
            Measure(report);
        }

        return report.Fault("lost", _traffic.Expected - _traffic.Delivered)
            .Fault("disordered", _traffic.Disordered)
            .Fault("misrouted", _traffic.Misrouted)
            .Fault("closed", _crowd.ClosedCount)
            .Fault("stalls", _stalls)
            .Fault("skipped", _skipped)
            .Add("fragmented", _crowd.Fragmented)
            .Print();
    }

    public void Received(Connection connection, ReadOnlySpan<byte> text, long now) => _traffic.Count(connection, text, now);

    void Measure(Report report)
    {
        _start = Clock.Now;
        PublishUntil(_start + Clock.Ticks(_options.Warmup));
        long before = _traffic.Delivered;
        _traffic.Measuring = true;
        var usage = new Usage(_options.Servers, _options.Auxiliaries);
        PublishUntil(Clock.Now + Clock.Ticks(_options.Seconds));
        usage.Stop();
        _traffic.Measuring = false;
        long measured = _traffic.Delivered - before;
        _traffic.Drain();
        report.Add("deliveries_per_s", measured / usage.Seconds).Add(_traffic.Latencies).Add(usage, measured);
    }

    void PublishUntil(long end)
    {
        while (Clock.Now < end)
        {
            if (_options.Rate > 0)
            {
                _crowd.Pump(Math.Min(end, KeepSchedule()));
            }
            else
            {
                Flood();
                _crowd.Pump(Math.Min(end, Clock.Now + Clock.Ticks(0.05)));
            }
        }
    }

    /// <summary>Sends what is due. Its stamp is when it was due, so that a generator that is late shows in the latency.</summary>
    /// <returns>When the next one is due.</returns>
    long KeepSchedule()
    {
        long due;
        while ((due = _start + Clock.Ticks(_scheduled / _options.Rate)) <= Clock.Now)
        {
            int number = (int)(_scheduled++ % _traffic.Rooms.Length);
            var room = _traffic.Rooms[number];
            if (room.DeliveriesInFlight > (long)MostInFlight * room.Members)
            {
                _skipped++;
            }
            else
            {
                _traffic.Publish(number, due);
            }
        }

        return due;
    }

    void Flood()
    {
        for (int number = 0; number < _traffic.Rooms.Length; number++)
        {
            var room = _traffic.Rooms[number];
            while (room.DeliveriesInFlight <= (long)(_options.Window - 1) * room.Members)
            {
                long now = Clock.Now;
                room.LastDelivery = Math.Max(room.LastDelivery, room.DeliveriesInFlight == 0 ? now : 0);
                _traffic.Publish(number, now);
            }

            if (Clock.Now - room.LastDelivery > Clock.Ticks(StallSeconds))
            {
                _stalls++;
                room.LastDelivery = Clock.Now;
                _traffic.Publish(number, Clock.Now);
            }
        }
    }
}
