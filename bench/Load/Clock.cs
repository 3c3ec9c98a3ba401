using System.Diagnostics;

namespace OrleansRealtime.Bench;

/// <summary>The monotonic clock, in ticks of <see cref="Stopwatch"/>. It is the stamp in every message.</summary>
static class Clock
{
    public static long Now => Stopwatch.GetTimestamp();

    public static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    public static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
}
