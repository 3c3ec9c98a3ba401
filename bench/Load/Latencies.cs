using System.Diagnostics;
using System.Numerics;

namespace OrleansRealtime.Bench;

/// <summary>A histogram of times from 1 µs, whose buckets are at most 0.8 % wide.</summary>
sealed class Latencies
{
    const int Steps = 128;

    readonly long[] _buckets = new long[58 * Steps];
    long _maxTicks;

    public long Count { get; private set; }

    public double MaxMilliseconds => Clock.Seconds(_maxTicks) * 1e3;

    public void Add(long ticks)
    {
        ticks = Math.Max(0, ticks);
        _maxTicks = Math.Max(_maxTicks, ticks);
        ulong microseconds = (ulong)ticks * 1_000_000 / (ulong)Stopwatch.Frequency;
        int shift = Math.Max(0, BitOperations.Log2(microseconds | 1) - 7);
        _buckets[(shift * Steps) + (int)(microseconds >> shift)]++;
        Count++;
    }

    public double Milliseconds(double quantile)
    {
        long wanted = (long)Math.Ceiling(Count * quantile), seen = 0;
        for (int i = 0; i < _buckets.Length && Count > 0; i++)
        {
            seen += _buckets[i];
            if (seen >= wanted)
            {
                int shift = Math.Max(0, (i / Steps) - 1);
                return ((long)(i - (shift * Steps)) << shift) / 1000.0;
            }
        }

        return 0;
    }
}
