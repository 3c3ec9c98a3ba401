namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// The calls that this gateway's uplinks have under way. While there are many, an uplink that has more and more to send waits a little before its next call: what
/// it is given meanwhile is appended, fanned out and written to sockets together, for little more than one message costs. While there are few, waiting
/// would only leave processors idle.
/// </summary>
sealed class UplinkCalls(TimeProvider time)
{
    /// <summary>An uplink waits for as long as its last call took, this many times.</summary>
    const int PauseFactor = 2;

    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(20);

    int _underWay;

    /// <summary>As many keep the processors busy while others wait.</summary>
    public static int Many { get; } = 2 * Environment.ProcessorCount;

    public void Begin() => Interlocked.Increment(ref _underWay);

    public void End() => Interlocked.Decrement(ref _underWay);

    /// <summary>Whether there are enough to keep the processors busy.</summary>
    public bool AreMany => Volatile.Read(ref _underWay) >= Many;

    /// <summary>After a call, on a channel whose publications come faster than calls return: completes when the next may be sent.</summary>
    public Task GiveWayAsync(TimeSpan callTook)
    {
        if (!AreMany)
        {
            return Task.CompletedTask;
        }

        var pause = PauseFactor * callTook;
        return Task.Delay(pause < LongestPause ? pause : LongestPause, time);
    }
}
