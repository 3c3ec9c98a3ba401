namespace OrleansRealtime.Gateway.Fanout;

/// <summary>What this gateway knows of the cluster it belongs to.</summary>
sealed class GatewayHealth(ClientConnections connections)
{
    readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    volatile bool _clusterAnswers;
    volatile bool _logAvailable;

    /// <summary>Everything is there, or what is missing. A gateway that lacks something still holds its connections.</summary>
    public IReadOnlyList<string> Problems =>
        !_clusterAnswers ? ["The cluster does not answer."]
        : !_logAvailable ? ["The message log is not available: nothing can be published."]
        : [];

    public bool IsShuttingDown => connections.IsShuttingDown;

    public void Answered(bool logAvailable) => (_clusterAnswers, _logAvailable) = (true, logAvailable);

    /// <summary>Completes when the gateway is part of its cluster for the first time: from then on it can follow channels.</summary>
    public Task Started => _started.Task;

    public void HasStarted() => _started.TrySetResult();

    public void DidNotAnswer() => _clusterAnswers = false;
}
