using System.Diagnostics;

namespace OrleansRealtime.Tests;

/// <summary>Waits for something that the system under test does in its own time.</summary>
static class Eventually
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Waits until the condition holds; fails with the reason and the state where it does not.</summary>
    public static async Task True(string reason, Func<Task<bool>> condition, Func<object?>? state = null, TimeSpan? within = null)
    {
        var limit = within ?? Limit;
        if (!await Holds(condition, limit))
        {
            Assert.Fail($"Not within {limit.TotalSeconds} s: {reason}. State: {state?.Invoke() ?? "unknown"}");
        }
    }

    /// <summary>Waits until the condition holds. False where it does not.</summary>
    public static async Task<bool> Holds(Func<Task<bool>> condition, TimeSpan within)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > within)
            {
                return false;
            }

            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        return true;
    }

    public static Task True(string reason, Func<bool> condition, Func<object?>? state = null, TimeSpan? within = null) =>
        True(reason, () => Task.FromResult(condition()), state, within);
}
