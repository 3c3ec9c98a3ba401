using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// Compares channels with their logs, beside everything else: a silo that does not answer must not hold up the heartbeat. One
/// comparison runs at a time, and one of all channels that is asked for meanwhile comes after it.
/// </summary>
sealed partial class Comparisons(LocalChannels channels, ILogger<Comparisons> logger)
{
    readonly Lock _lock = new();
    bool _running;
    bool _allWanted;

    /// <summary>All channels, of which the cluster may have forgotten that we follow them, or of which something may have been lost.</summary>
    public void CompareAll()
    {
        lock (_lock)
        {
            if (_running)
            {
                _allWanted = true;
                return;
            }

            _running = true;
        }

        _ = Task.Run(() => RunAsync(0, 1));
    }

    /// <summary>The routine: one share of the channels, unless a comparison is under way.</summary>
    public void CompareShare(int share, int shares)
    {
        lock (_lock)
        {
            if (_running)
            {
                return;
            }

            _running = true;
        }

        _ = Task.Run(() => RunAsync(share, shares));
    }

    async Task RunAsync(int share, int shares)
    {
        do
        {
            try
            {
                await channels.CompareAsync(share, shares);
            }
            catch (Exception exception)
            {
                Failed(exception);
            }

            (share, shares) = (0, 1);
        }
        while (GoesOn());
    }

    bool GoesOn()
    {
        lock (_lock)
        {
            (bool wanted, _allWanted) = (_allWanted, false);
            return _running = wanted;
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Channels could not be compared with their logs; it is tried again.")]
    partial void Failed(Exception exception);
}
