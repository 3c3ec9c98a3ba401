using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Users;

/// <summary>
/// What one user is being asked. Every gateway that follows the user's channel is told; it asks the connections it has and reports one outcome for all of them.
/// <para>
/// The asking side waits in short calls, one after the other: so a grain that moves, or a silo that dies, is noticed within one of them, no call keeps a grain from
/// being deactivated for long, and who does not come back has gone. All of it is in memory, and of the grain's turns alone.
/// </para>
/// </summary>
/// <param name="channel">The user's.</param>
/// <param name="post">Posts to a gateway.</param>
sealed class UserRequests(ChannelId channel, Action<string, MailboxEvent> post, TimeProvider time)
{
    /// <summary>Requests of one user that may be unanswered; more of them mean that nobody there answers at all.</summary>
    public const int MaxPending = 1000;

    /// <summary>How long one call waits. Well below <see cref="IUserGrain.CallTimeout"/>.</summary>
    static readonly TimeSpan s_callTime = TimeSpan.FromSeconds(3);

    /// <summary>After its time, how long an outcome is kept for a caller who is on his way back.</summary>
    static readonly TimeSpan s_keptAfter = TimeSpan.FromSeconds(10);

    readonly Dictionary<string, Pending> _pending = [];

    /// <summary>Asks, and waits for a while.</summary>
    public Task<UserAnswer> AskAsync(UserRequest request, IReadOnlyCollection<string> gateways)
    {
        if (gateways.Count == 0)
        {
            return Task.FromResult(new UserAnswer(UserAnswerStatus.Offline));
        }

        ForgetAbandoned();
        if (_pending.Count >= MaxPending)
        {
            return Task.FromResult(new UserAnswer(UserAnswerStatus.Overloaded));
        }

        var pending = new Pending(request, [.. gateways], time.GetTimestamp());
        _pending.Add(request.Id, pending);
        return PostAndWaitAsync(pending);
    }

    /// <summary>
    /// Waits for a while, again. What was posted may have been lost on the way, so it is posted again to those that have not reported; they ask nobody twice.
    /// </summary>
    public Task<UserAnswer> WaitAsync(string requestId) => _pending.TryGetValue(requestId, out var pending)
        ? PostAndWaitAsync(pending)
        : Task.FromResult(new UserAnswer(UserAnswerStatus.Unknown));

    async Task<UserAnswer> PostAndWaitAsync(Pending pending)
    {
        var request = pending.Request;
        var left = request.Timeout - time.GetElapsedTime(pending.Begun);
        var wait = left < s_callTime ? left : s_callTime;
        if (wait > TimeSpan.Zero)
        {
            foreach (string gatewayId in pending.Unreported)
            {
                post(gatewayId, new UserRequested(channel, request.Id, request.Event, request.Data, request.From, left));
            }

            await ((Task)pending.Outcome.Task).WaitAsync(wait, time)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }

        // A timer may be early by a moment; the last call waits no more.
        if (!pending.Outcome.Task.IsCompleted && wait < left)
        {
            return new(UserAnswerStatus.Waiting);
        }

        _pending.Remove(request.Id);
        return pending.Outcome.Task.IsCompleted ? await pending.Outcome.Task : new(UserAnswerStatus.TimedOut);
    }

    /// <summary>The asking side does not want to know any more.</summary>
    public void Cancel(string requestId)
    {
        if (_pending.Remove(requestId, out var pending))
        {
            Complete(requestId, pending, new(UserAnswerStatus.TimedOut));
        }
    }

    /// <summary>A gateway reports what its connections have come to. Safe to repeat.</summary>
    public void Reported(string requestId, string gatewayId, UserAnswer answer)
    {
        if (!_pending.TryGetValue(requestId, out var pending) || !pending.Unreported.Remove(gatewayId))
        {
            return;
        }

        if (answer.Status is UserAnswerStatus.Answered or UserAnswerStatus.TooLarge)
        {
            Complete(requestId, pending, answer);
            return;
        }

        pending.Refusal = answer.Status == UserAnswerStatus.Refused ? answer : pending.Refusal;
        if (pending.Unreported.Count == 0)
        {
            Complete(requestId, pending, pending.Refusal ?? new(UserAnswerStatus.Offline));
        }
    }

    /// <summary>A gateway is gone, and its connections with it.</summary>
    public void Forget(string gatewayId)
    {
        foreach (string requestId in _pending.Keys.ToList())
        {
            Reported(requestId, gatewayId, new(UserAnswerStatus.Offline));
        }
    }

    /// <summary>The first outcome stands. Who has not reported need not ask any longer.</summary>
    void Complete(string requestId, Pending pending, UserAnswer answer)
    {
        if (!pending.Outcome.TrySetResult(answer))
        {
            return;
        }

        foreach (string gatewayId in pending.Unreported)
        {
            post(gatewayId, new UserRequestEnded(channel, requestId));
        }

        pending.Unreported.Clear();
    }

    /// <summary>Drops what nobody has come back for, such as a gateway that has died.</summary>
    void ForgetAbandoned()
    {
        foreach (var (requestId, pending) in _pending.ToList())
        {
            if (time.GetElapsedTime(pending.Begun) > pending.Request.Timeout + s_keptAfter)
            {
                _pending.Remove(requestId);
            }
        }
    }

    sealed class Pending(UserRequest request, HashSet<string> gateways, long begun)
    {
        public UserRequest Request => request;

        public HashSet<string> Unreported { get; } = gateways;

        public long Begun => begun;

        /// <summary>The last refusal there was.</summary>
        public UserAnswer? Refusal { get; set; }

        public TaskCompletionSource<UserAnswer> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
