using System.Diagnostics;

namespace OrleansRealtime.Tests;

/// <summary>Waits for something that the system under test does in its own time.</summary>
static class Eventually
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>Waits until the condition holds; fails with the reason and the state where it does not.</summary>
    public static async Task True(string reason, Func<Task<bool>> condition, Func<object?>? state = null)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > Limit)
            {
                Assert.Fail($"Not within {Limit.TotalSeconds} s: {reason}. State: {state?.Invoke() ?? "unknown"}");
            }

            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }

    public static Task True(string reason, Func<bool> condition, Func<object?>? state = null) =>
        True(reason, () => Task.FromResult(condition()), state);
}
