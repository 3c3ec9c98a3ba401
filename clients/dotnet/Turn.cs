namespace OrleansRealtime.Client;

/// <summary>Lets callers in one after the other, in the order in which they come. Nothing of it needs disposing.</summary>
sealed class Turn
{
    readonly Lock _lock = new();
    Task _last = Task.CompletedTask;

    /// <returns>Dispose it to let the next one in.</returns>
    public async Task<IDisposable> TakeAsync(CancellationToken cancellationToken)
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (_lock)
        {
            before = _last;
            _last = mine.Task;
        }

        try
        {
            await before.WaitAsync(cancellationToken);
        }
        catch
        {
            _ = before.ContinueWith(_ => mine.SetResult(), TaskScheduler.Default);
            throw;
        }

        return new Removal(mine.SetResult);
    }
}

sealed class Removal(Action remove) : IDisposable
{
    Action? _remove = remove;

    public void Dispose() => Interlocked.Exchange(ref _remove, null)?.Invoke();
}
