namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>
/// The way to a client that polls: a write answers the poll that is under way, or waits until there is one. Ends when the client has upgraded to a
/// WebSocket, or with the session.
/// </summary>
/// <param name="turn">Writes take turns: it belongs to whoever calls <see cref="TryWriteAsync"/>.</param>
sealed class LongPolling(AsyncTurn turn)
{
    /// <summary>Bytes with which a poll is answered although there is more.</summary>
    const int MaxGathered = 256 << 10;

    readonly Lock _lock = new();
    TaskCompletionSource<EngineOutput?>? _poll;
    EngineOutput? _gathered;
    TaskCompletionSource? _canWrite;
    bool _upgrading;
    bool _ended;

    /// <summary>Whether the client is trying a WebSocket. It then waits for its last poll, and gets what is there, or a noop.</summary>
    public bool IsUpgrading
    {
        set
        {
            lock (_lock)
            {
                _upgrading = value;
            }
        }
    }

    /// <summary>
    /// Begins a poll, which completes with what there is for the client once there is something, or with null where there is nothing more to come by polling.
    /// Returns null where another poll is under way: the client has lost track.
    /// </summary>
    public Task<EngineOutput?>? TryPoll()
    {
        TaskCompletionSource<EngineOutput?> poll;
        TaskCompletionSource? canWrite;
        lock (_lock)
        {
            if (_ended)
            {
                return Task.FromResult<EngineOutput?>(null);
            }

            if (_poll is not null)
            {
                return null;
            }

            (canWrite, _canWrite) = (_canWrite, null);
            if (_upgrading && canWrite is null)
            {
                return Task.FromResult<EngineOutput?>(Render(EngineControl.Noop));
            }

            _poll = poll = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        canWrite?.TrySetResult();
        return poll.Task;
    }

    /// <summary>Answers the poll that is under way, or the next one. False where polling has ended, and nothing was written.</summary>
    public async ValueTask<bool> TryWriteAsync(IEngineContent content)
    {
        while (true)
        {
            Task canWrite;
            TaskCompletionSource<EngineOutput?>? poll;
            lock (_lock)
            {
                if (_ended)
                {
                    return false;
                }

                (poll, _poll) = (_poll, null);
                canWrite = poll is not null ? Task.CompletedTask : (_canWrite = new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            if (poll is not null)
            {
                Gather(poll, content);
                return true;
            }

            await canWrite;
        }
    }

    /// <summary>Answers the poll that is under way, if there is one.</summary>
    public void Answer(IEngineContent content) => Answer(content, end: false);

    /// <summary>The client does not poll any more.</summary>
    /// <param name="last">What a poll that is under way is answered with.</param>
    public void End(IEngineContent last) => Answer(last, end: true);

    void Answer(IEngineContent content, bool end)
    {
        TaskCompletionSource<EngineOutput?>? poll;
        EngineOutput? output;
        TaskCompletionSource? canWrite = null;
        lock (_lock)
        {
            (poll, _poll) = (_poll, null);
            (output, _gathered) = (_gathered, null);
            if (end)
            {
                _ended = true;
                (canWrite, _canWrite) = (_canWrite, null);
            }
        }

        if (poll is not null)
        {
            output ??= EngineOutput.Rent(framed: false);
            content.WriteTo(output);
            poll.TrySetResult(output);
        }

        canWrite?.TrySetResult();
    }

    /// <summary>Answers a poll with what there is, unless there is nothing that the client has to see, or somebody else has more for it.</summary>
    void Gather(TaskCompletionSource<EngineOutput?> poll, IEngineContent content)
    {
        EngineOutput output;
        lock (_lock)
        {
            (output, _gathered) = (_gathered ?? EngineOutput.Rent(framed: false), null);
        }

        content.WriteTo(output);
        if (output.Written.IsEmpty || (turn.IsWanted && output.Written.Length < MaxGathered))
        {
            lock (_lock)
            {
                if (!_ended && !_upgrading)
                {
                    (_poll, _gathered) = (poll, output);
                    return;
                }
            }

            EngineControl.Noop.WriteTo(output);
        }

        poll.TrySetResult(output);
    }

    static EngineOutput Render(EngineControl content)
    {
        var output = EngineOutput.Rent(framed: false);
        content.WriteTo(output);
        return output;
    }
}
