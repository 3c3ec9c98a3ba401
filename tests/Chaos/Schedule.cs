namespace OrleansRealtime.Tests.Chaos;

/// <summary>
/// Which faults come when, all of it from a seed. Every kind comes once before any comes twice; one fault in four begins while its
/// predecessor lasts, so that they also meet.
/// </summary>
static class Schedule
{
    static readonly FaultKind[] s_kinds = Enum.GetValues<FaultKind>();

    /// <param name="length">No fault begins after it.</param>
    /// <param name="nodes">Silos, and gateways.</param>
    public static IReadOnlyList<Fault> Create(int seed, TimeSpan length, int nodes = 2)
    {
        var random = new Random(seed);
        var faults = new List<Fault>();
        var kinds = new Queue<FaultKind>();
        var at = TimeSpan.FromSeconds(2);
        while (at < length)
        {
            if (kinds.Count == 0)
            {
                var shuffled = s_kinds.ToArray();
                random.Shuffle(shuffled);
                kinds = new(shuffled);
            }

            var kind = kinds.Dequeue();
            var duration = Between(random, LimitsOf(kind));
            faults.Add(new(faults.Count + 1, kind, random.Next(nodes), at, duration));
            bool meets = random.Next(4) == 0;
            at += meets ? duration / 2 : duration + Between(random, (3, 8));
        }

        return faults;
    }

    /// <summary>Seconds. Gateways and silos are stopped for less and for more than it takes to be given up.</summary>
    static (double Least, double Most) LimitsOf(FaultKind kind) => kind switch
    {
        FaultKind.GatewayPaused => (1, 9),
        FaultKind.SiloPaused => (1, 12),
        FaultKind.RedisPaused => (1, 6),
        FaultKind.RedisKilled => (0.2, 4),
        FaultKind.ConnectionsCut => (0, 0),
        _ => (0.2, 3),
    };

    static TimeSpan Between(Random random, (double Least, double Most) seconds) =>
        TimeSpan.FromSeconds(seconds.Least + (random.NextDouble() * (seconds.Most - seconds.Least)));
}
