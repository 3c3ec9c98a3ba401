using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>One connection of a client that outlives its connections.</summary>
interface IChatConnection : IAsyncDisposable
{
    /// <summary>Completes when the connection has ended, with the reason.</summary>
    Task<string> Ended { get; }

    /// <summary>Publishes once.</summary>
    /// <param name="channel"><c>room:name</c> or <c>user:name</c>.</param>
    /// <exception cref="RefusedException">The server has answered that it cannot take the message now.</exception>
    Task<Place> PublishAsync(string channel, string messageId, CancellationToken cancellationToken);

    /// <summary>Cuts the connection without a word. What it brings from now on is ignored.</summary>
    void Cut();
}

/// <summary>Opens a connection that goes on where the visit's records end; completes when it is live.</summary>
delegate Task<IChatConnection> OpenConnection(Uri gateway, Visit visit, CancellationToken cancellationToken);

/// <summary>The server has refused: <c>code: message</c>.</summary>
sealed class RefusedException(string text) : Exception(text)
{
    /// <summary>Refusals that say "try again", which a cluster with failures is expected to give.</summary>
    public bool MayBeRetried { get; } =
        text.StartsWith("unavailable:", StringComparison.Ordinal) || text.StartsWith("overloaded:", StringComparison.Ordinal);
}
