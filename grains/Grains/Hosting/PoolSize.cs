namespace OrleansRealtime.Hosting;

/// <summary>
/// Keeps as many of the thread pool's threads at work as there is work for (docs/decisions/0013): a thread that is woken for nothing costs more than a message. A thread of its
/// own looks, because the pool may stand still.
/// </summary>
static class PoolSize
{
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks that are taken together.</summary>
    const int Looks = 10;

    /// <summary>Begins, unless the runtime has been told how many threads there are to be.</summary>
    public static void Keep()
    {
        int processors = Environment.ProcessorCount;
        if (processors > 1 && Environment.GetEnvironmentVariable("DOTNET_ThreadPool_ForceMinWorkerThreads") is null
            && AppContext.GetData("System.Threading.ThreadPool.MinThreads") is null)
        {
            new Thread(() => Keep(new PoolSizeRule(processors))) { IsBackground = true, Name = "Pool size" }.Start();
        }
    }

    static void Keep(PoolSizeRule rule)
    {
        var time = TimeProvider.System;
        while (true)
        {
            var (began, used, completed, waiting) = (time.GetTimestamp(), Environment.CpuUsage.TotalTime, ThreadPool.CompletedWorkItemCount, 0L);
            bool stoodStill = false;
            for (int look = 0; look < Looks && !stoodStill; look++)
            {
                long before = ThreadPool.CompletedWorkItemCount;
                Thread.Sleep(Pause);
                long pending = ThreadPool.PendingWorkItemCount;
                waiting += pending;
                stoodStill = pending > 0 && ThreadPool.CompletedWorkItemCount == before;
            }

            int threads = rule.Threads;
            if (stoodStill)
            {
                rule.StandsStill();
            }
            else
            {
                completed = ThreadPool.CompletedWorkItemCount - completed;
                var passed = time.GetElapsedTime(began);
                rule.Measured(passed * ((double)waiting / Looks / Math.Max(completed, 1)), (Environment.CpuUsage.TotalTime - used) / passed);
            }

            if (rule.Threads != threads)
            {
                Set(rule.Threads);
            }
        }
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
}

/// <summary>How many threads there is work for: one where that is enough, and at most one for each processor. Beyond that the runtime adds its own where threads are blocked.</summary>
sealed class PoolSizeRule(int processors)
{
    /// <summary>How long work may wait for a thread on the average. Where it waits longer there are to be more.</summary>
    static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(1);

    /// <summary>The share of what the threads that stay can do that may be in use where there are to be fewer.</summary>
    const double Room = 0.6;

    /// <summary>Measurements after a standstill in which there are not to be fewer: what blocks threads comes again.</summary>
    const int Caution = 25;

    readonly int _most = processors;
    int _cautious;

    public int Threads { get; private set; } = processors;

    /// <summary>Work waited, and none was done for a while: all threads are blocked, or have each something long to do.</summary>
    public void StandsStill()
    {
        _cautious = Caution;
        Grow();
    }

    /// <param name="wait">How long work waited for a thread.</param>
    /// <param name="used">How many processors the process used.</param>
    public void Measured(TimeSpan wait, double used)
    {
        if (wait > Wait)
        {
            Grow();
        }
        else if (_cautious > 0)
        {
            _cautious--;
        }
        else if (used < (Threads - 1) * Room)
        {
            Threads--;
        }
    }

    void Grow() => Threads = Math.Min(Threads * 2, _most);
}
