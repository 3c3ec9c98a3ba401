namespace OrleansRealtime.Tests;

/// <summary>
/// For what takes time by its nature: a client's backoff, the pace of a load, how long a fault lasts. No test waits for the system with
/// it: that is what <see cref="Eventually"/> is for.
/// </summary>
static class Pause
{
    public static async Task ForAsync(TimeSpan time, CancellationToken cancellationToken = default)
    {
        // A timer counts whole milliseconds.
        if (time >= TimeSpan.FromMilliseconds(1))
        {
            using var timer = new PeriodicTimer(time);
            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }
}
