using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Events;

/// <summary>What one connection's client has been asked and has not answered yet.</summary>
sealed class PendingRequests
{
    /// <summary>More of them mean a client that does not answer at all.</summary>
    public const int Limit = 1000;

    /// <summary>Characters of a refusal's message at most.</summary>
    public const int MaxRefusal = 1000;

    /// <summary>By id. A null answer stands for the end of the connection. Guarded by itself.</summary>
    readonly Dictionary<long, TaskCompletionSource<EventData?>> _unanswered = [];

    long _lastId;
    bool _ended;

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="ask">Sends the question under the id that the answer will have.</param>
    /// <exception cref="RealtimeException">The client has not answered in time, or refuses, or is gone, or owes too many answers.</exception>
    public async Task<EventData> AskAsync(string @event, Action<long> ask, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<EventData?>(TaskCreationOptions.RunContinuationsAsynchronously);
        long id = Add(answer);
        try
        {
            ask(id);
            return await answer.Task.WaitAsync(timeout, cancellationToken) ?? throw ConnectionEnded();
        }
        catch (TimeoutException exception)
        {
            throw new RealtimeException(RealtimeErrorCode.Timeout, $"The client has not answered '{@event}' in time.", exception);
        }
        finally
        {
            lock (_unanswered)
            {
                _unanswered.Remove(id);
            }
        }
    }

    /// <summary>The client has answered. False where nobody waits for that any more.</summary>
    public bool Answer(long id, EventData data)
    {
        lock (_unanswered)
        {
            return _unanswered.Remove(id, out var answer) && answer.TrySetResult(data);
        }
    }

    /// <summary>The client will not answer. False where nobody waits for that any more.</summary>
    /// <param name="message">The client's own sentence; null where it has none.</param>
    public bool Refuse(long id, string? message)
    {
        string text = string.IsNullOrEmpty(message) ? "The client refuses." : message.Length > MaxRefusal ? message[..MaxRefusal] : message;
        lock (_unanswered)
        {
            return _unanswered.Remove(id, out var answer) && answer.TrySetException(new RealtimeException(RealtimeErrorCode.Refused, text));
        }
    }

    /// <summary>The connection is gone: there will be no more answers.</summary>
    public void End()
    {
        lock (_unanswered)
        {
            _ended = true;
            foreach (var answer in _unanswered.Values)
            {
                answer.TrySetResult(null);
            }
        }
    }

    public static RealtimeException ConnectionEnded() => new(RealtimeErrorCode.Unavailable, "The connection has ended.");

    long Add(TaskCompletionSource<EventData?> answer)
    {
        lock (_unanswered)
        {
            if (_ended)
            {
                throw ConnectionEnded();
            }

            if (_unanswered.Count == Limit)
            {
                throw new RealtimeException(RealtimeErrorCode.Overloaded, $"The client has not answered {Limit} requests that it was sent before.");
            }

            _unanswered.Add(++_lastId, answer);
            return _lastId;
        }
    }
}
