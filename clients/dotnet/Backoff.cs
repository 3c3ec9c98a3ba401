namespace OrleansRealtime.Client;

/// <summary>How long to wait between attempts to connect: <see cref="First"/>, doubling up to <see cref="Longest"/>, and a random part so that not everybody comes at once.</summary>
public sealed record BackoffOptions
{
    public TimeSpan First { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan Longest { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>At most this much more, at random.</summary>
    public TimeSpan Jitter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Attempts in a row that may fail before the client gives up.</summary>
    public int Attempts { get; init; } = 10;
}

/// <summary>Counts attempts.</summary>
/// <param name="random">0 to 1, exclusive.</param>
sealed class Backoff(BackoffOptions options, Func<double> random)
{
    public int Attempts { get; private set; }

    /// <summary>How long to wait before the next attempt; null when it is time to give up.</summary>
    public TimeSpan? Next()
    {
        if (Attempts >= options.Attempts)
        {
            return null;
        }

        // 2^30 times a second is longer than anybody waits.
        double wait = Math.Min(options.Longest.TotalSeconds, options.First.TotalSeconds * Math.Pow(2, Math.Min(Attempts, 30)));
        Attempts++;
        return TimeSpan.FromSeconds(wait + (options.Jitter.TotalSeconds * random()));
    }

    public void Reset() => Attempts = 0;
}
