namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Lets one in at a time, the others in the order in which they came.</summary>
sealed class AsyncTurn
{
    const int Free = 0, Taken = 1, Wanted = 2;

    /// <summary>Also the lock of whoever has to wait, or leaves where somebody waits.</summary>
    readonly Queue<TaskCompletionSource> _waiting = new(0);
    int _state;

    /// <summary>Whether somebody waits.</summary>
    public bool IsWanted => Volatile.Read(ref _state) == Wanted;

    public bool TryEnter() => Interlocked.CompareExchange(ref _state, Taken, Free) == Free;

    public Task EnterAsync()
    {
        if (TryEnter())
        {
            return Task.CompletedTask;
        }

        lock (_waiting)
        {
            // From here on whoever leaves comes for this lock.
            if (Interlocked.Exchange(ref _state, Wanted) == Free)
            {
                _state = Taken;
                return Task.CompletedTask;
            }

            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(mine);
            return mine.Task;
        }
    }

    public void Leave()
    {
        if (Interlocked.CompareExchange(ref _state, Free, Taken) == Taken)
        {
            return;
        }

        lock (_waiting)
        {
            var next = _waiting.Dequeue();
            _state = _waiting.Count == 0 ? Taken : Wanted;
            next.SetResult();
        }
    }
}
