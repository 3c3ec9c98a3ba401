using Microsoft.Extensions.Options;

namespace OrleansRealtime.Jobs;

/// <summary>Counts the jobs that this silo runs.</summary>
sealed class JobSlots(IOptions<JobOptions> options)
{
    readonly Lock _lock = new();
    readonly Dictionary<string, int> _byUser = [];
    int _count;

    /// <summary>Takes a slot for one more job of the user; null where none is free.</summary>
    /// <param name="error">A sentence for the user, where none is.</param>
    public IDisposable? TryTake(string user, out string? error)
    {
        lock (_lock)
        {
            error = _byUser.GetValueOrDefault(user) >= options.Value.MaxRunningPerUser
                    ? $"As many of your jobs run as are allowed ({options.Value.MaxRunningPerUser}). Try again when one has ended."
                : _count >= options.Value.MaxRunning ? "As many jobs run as are allowed. Try again later."
                : null;
            return error is null ? Take(user) : null;
        }
    }

    /// <summary>Takes a slot, even where none is free: a job that goes on after its silo's death must run somewhere.</summary>
    public IDisposable Take(string user)
    {
        lock (_lock)
        {
            _count++;
            _byUser[user] = _byUser.GetValueOrDefault(user) + 1;
        }

        return new Slot(this, user);
    }

    void Free(string user)
    {
        lock (_lock)
        {
            _count--;
            if (--_byUser[user] == 0)
            {
                _byUser.Remove(user);
            }
        }
    }

    sealed class Slot(JobSlots slots, string user) : IDisposable
    {
        int _freed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _freed, 1) == 0)
            {
                slots.Free(user);
            }
        }
    }
}
