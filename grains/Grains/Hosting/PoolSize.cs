using System.Diagnostics;
using ThreadState = System.Diagnostics.ThreadState;

namespace OrleansRealtime.Hosting;

/// <summary>
/// Lets the thread pool have no more threads at work than there is work for (docs/decisions/0013): waking a thread costs more than most of what it is woken for. A thread of its
/// own looks, because the pool may stand still.
/// </summary>
static class PoolSize
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks that are taken together.</summary>
    const int Looks = 10;

    /// <summary>Processors in use above which threads that get nothing done have something long to do.</summary>
    const double Computing = 0.5;

    /// <summary>Begins, unless the runtime has been told how many threads there are to be.</summary>
    public static void Keep()
    {
        if (Environment.ProcessorCount > 1 && Environment.GetEnvironmentVariable("DOTNET_ThreadPool_ForceMinWorkerThreads") is null
            && AppContext.GetData("System.Threading.ThreadPool.MinThreads") is null)
        {
            new Thread(() => Keep(new PoolSizeRule(Environment.ProcessorCount))) { IsBackground = true, Name = "pool-size" }.Start();
        }
    }

    static void Keep(PoolSizeRule rule)
    {
        while (true)
        {
            int threads = rule.Threads;
            Measure(rule);
            if (rule.Threads != threads)
            {
                Set(rule.Threads);
            }
        }
    }

    static void Measure(PoolSizeRule rule)
    {
        var start = Sample.Take();
        var last = start;
        long waiting = 0;
        for (int look = 0; look < Looks; look++)
        {
            Thread.Sleep(Pause);
            var now = Sample.Take();

            // Where this thread had to wait as well, it is not the pool alone that stood still.
            if (now.Pending > 0 && now.Completed == last.Completed && now.Since(last) < Pause * 2)
            {
                bool computes = now.UsedSince(last) > Computing;
                if (computes || AllWait())
                {
                    rule.StandsStill(blocked: !computes);
                }

                return;
            }

            waiting += now.Pending;
            last = now;
        }

        rule.Measured(last.Since(start) * ((double)waiting / Looks / Math.Max(last.Completed - start.Completed, 1)), last.UsedSince(start));
    }

    /// <summary>
    /// Whether no thread of the process could run, but for this one. Where one could and does not get to, other processes have the processors, and more threads would not help.
    /// </summary>
    static bool AllWait()
    {
        using var process = Process.GetCurrentProcess();
        return process.Threads.Cast<ProcessThread>().Count(static thread => thread.ThreadState is ThreadState.Running or ThreadState.Ready or ThreadState.Standby) <= 1;
    }

    /// <summary>The least that may be at work is at work at once; fewer than now are when the most is less for a moment.</summary>
    static void Set(int threads)
    {
        ThreadPool.GetMinThreads(out _, out int completionPorts);
        ThreadPool.SetMinThreads(threads, completionPorts);
        ThreadPool.GetMaxThreads(out int most, out completionPorts);
        ThreadPool.SetMaxThreads(threads, completionPorts);
        ThreadPool.SetMaxThreads(most, completionPorts);
    }

    /// <param name="Cpu">What the process has used.</param>
    readonly record struct Sample(long Time, TimeSpan Cpu, long Completed, long Pending)
    {
        public static Sample Take() =>
            new(TimeProvider.System.GetTimestamp(), Environment.CpuUsage.TotalTime, ThreadPool.CompletedWorkItemCount, ThreadPool.PendingWorkItemCount);

        public TimeSpan Since(Sample earlier) => TimeProvider.System.GetElapsedTime(earlier.Time, Time);

        /// <summary>How many processors were in use on the average.</summary>
        public double UsedSince(Sample earlier) => (Cpu - earlier.Cpu) / Since(earlier);
    }
}

/// <summary>How many threads there is work for: one where that is enough, one for each processor at most, and more only where threads are blocked.</summary>
sealed class PoolSizeRule(int processors)
{
    /// <summary>More than these the runtime adds by itself, slowly.</summary>
    const int MostForBlocked = 64;

    /// <summary>How long work may wait for a thread on the average.</summary>
    static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(1);

    /// <summary>The share of their time that the threads that stay may be busy.</summary>
    const double Busy = 0.6;

    /// <summary>Measurements that show too little work before there are fewer threads: at first, and at most. They double where fewer soon turned out to be too few.</summary>
    const int FirstPatience = 5, LastPatience = 1500;

    /// <summary>Too few within so many times the patience is soon.</summary>
    const int Soon = 10;

    readonly int _processors = processors;
    int _patience = FirstPatience;
    int _left = FirstPatience;

    /// <summary>Measurements since there were to be fewer threads; null where there have been more since.</summary>
    long? _sinceFewer;

    public int Threads { get; private set; } = processors;

    /// <summary>Work waited, and none was done for a while.</summary>
    /// <param name="blocked">Whether the threads are blocked, and do not only have something long to do.</param>
    public void StandsStill(bool blocked) => Grow(blocked ? Math.Max(Math.Min(Threads * 2, MostForBlocked), _processors) : _processors);

    /// <param name="wait">How long work waited for a thread on the average.</param>
    /// <param name="used">How many processors the process used.</param>
    public void Measured(TimeSpan wait, double used)
    {
        _sinceFewer++;
        if (wait > Wait && Threads <= _processors)
        {
            Grow(_processors);
        }
        else if (used < (Threads - 1) * Busy && --_left < 0)
        {
            // Threads that are no longer blocked go as fast as they came.
            Threads = Threads > _processors ? Math.Max(Threads / 2, _processors) : Threads - 1;
            _sinceFewer = 0;
        }
    }

    void Grow(int threads)
    {
        if (Threads < threads)
        {
            if (_sinceFewer is { } since)
            {
                _patience = since < _patience * Soon ? Math.Min(_patience * 2, LastPatience) : FirstPatience;
                _sinceFewer = null;
            }

            Threads = threads;
        }

        _left = _patience;
    }
}
