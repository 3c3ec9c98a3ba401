namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Lets one in at a time, the others in the order in which they came.</summary>
sealed class AsyncTurn
{
    readonly Lock _lock = new();
    Queue<TaskCompletionSource>? _waiting;
    bool _taken;

    public bool TryEnter()
    {
        lock (_lock)
        {
            return !_taken && (_taken = true);
        }
    }

    public Task EnterAsync()
    {
        lock (_lock)
        {
            if (!_taken)
            {
                _taken = true;
                return Task.CompletedTask;
            }

            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            (_waiting ??= new()).Enqueue(mine);
            return mine.Task;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            if (_waiting is null || !_waiting.TryDequeue(out var next))
            {
                _taken = false;
                return;
            }

            next.SetResult();
        }
    }
}
