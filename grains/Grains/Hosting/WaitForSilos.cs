using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Hosting;

/// <summary>
/// A gateway that starts before its silos waits for them, for a while: what is started together, as in Kubernetes, comes up in any order.
/// </summary>
sealed partial class WaitForSilos(TimeProvider time, ILogger<WaitForSilos> logger) : IClientConnectionRetryFilter
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2), Pause = TimeSpan.FromSeconds(1);

    readonly long _start = time.GetTimestamp();
    bool _waiting;

    public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
    {
        if (!_waiting)
        {
            _waiting = true;
            Waiting(Limit.TotalSeconds);
        }

        if (time.GetElapsedTime(_start) > Limit)
        {
            throw new ClusterStartupException("No silo of the cluster could be reached. Start one with the same Realtime:Redis and Realtime:Cluster:ClusterId.", exception);
        }

        await Task.Delay(Pause, time, cancellationToken);
        return true;
    }

    [LoggerMessage(1, LogLevel.Warning, "There is no silo yet; the gateway waits up to {Seconds} s for one.")]
    partial void Waiting(double seconds);
}

/// <summary>The process cannot take part in its cluster. The message says what to do.</summary>
sealed class ClusterStartupException(string message, Exception inner) : Exception(message, inner);
