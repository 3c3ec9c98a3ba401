namespace OrleansRealtime.Client;

public enum ConnectionState
{
    /// <summary>Not opened yet, or disposed.</summary>
    Closed,

    /// <summary>For the first time.</summary>
    Connecting,

    /// <summary>The rooms have been joined (again), and messages come.</summary>
    Connected,

    /// <summary>The connection was lost; the client tries again by itself.</summary>
    Reconnecting,

    /// <summary>The client has given up. <see cref="RealtimeClient.ReconnectAsync"/> begins anew.</summary>
    Failed,
}

/// <summary>What is to be known of the connection.</summary>
/// <param name="Attempt">The attempt under way or to come, since the last connection: 1, 2, 3 … 0 while connected.</param>
/// <param name="RetryAt">When the next attempt begins, while the client waits for that.</param>
/// <param name="Error">Why the last connection or attempt ended.</param>
/// <param name="Reconnects">Connections made after the first one.</param>
/// <param name="Latency">The last <see cref="RealtimeClient.PingAsync"/>.</param>
public sealed record ConnectionInfo(
    ConnectionState State,
    int Attempt = 0,
    DateTimeOffset? RetryAt = null,
    RealtimeClientException? Error = null,
    int Reconnects = 0,
    DateTimeOffset? ConnectedAt = null,
    TimeSpan? Latency = null);
