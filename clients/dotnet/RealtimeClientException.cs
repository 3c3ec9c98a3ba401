namespace OrleansRealtime.Client;

/// <summary>Something was refused, by the server (docs/api.md, "Errors") or by the client itself.</summary>
/// <param name="code">One of the server's codes, or of <see cref="RealtimeClientErrors"/>.</param>
public sealed class RealtimeClientException(string code, string message, Exception? cause = null) : Exception(message, cause)
{
    public string Code { get; } = code;

    /// <summary>Whether trying again is of no use before something else has changed.</summary>
    public bool IsPermanent => !RealtimeClientErrors.IsPassing(Code);
}

/// <summary>The codes that the client adds to the server's.</summary>
public static class RealtimeClientErrors
{
    /// <summary>The connection was lost, or there is none.</summary>
    public const string ConnectionLost = "connection_lost";

    /// <summary>The client has been closed.</summary>
    public const string Closed = "closed";

    /// <summary>The server could not be reached in all the attempts there were.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>As many messages wait to be sent as may.</summary>
    public const string OutboxFull = "outbox_full";

    /// <summary>The application has taken the message back.</summary>
    public const string Discarded = "discarded";

    /// <summary>
    /// The connection was lost while the message was sent, for longer than the server remembers message ids. It may have been kept or not;
    /// whether to send it again is the application's to say.
    /// </summary>
    public const string Unconfirmed = "unconfirmed";

    /// <summary>Something is wrong in the client, or with what the server has answered.</summary>
    public const string Defect = "defect";

    internal static bool IsPassing(string code) => code is "unavailable" or "overloaded" or "timeout" or "unauthenticated" or ConnectionLost;
}

/// <summary>Thrown by a handler of requests: the one who asks is told the message, and nothing more.</summary>
public sealed class RequestRefusedException(string message) : Exception(message);
