using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// Why the server ends a connection, and what the client should do. These are all there are; the code is also the close status of
/// protocols that have one (RFC 6455, section 7.4.2: 4000-4999 are for applications).
/// </summary>
/// <param name="Name">The stable name that clients see.</param>
/// <param name="Code">The number of the same.</param>
/// <param name="Reconnect">Whether to come back.</param>
/// <param name="Text">A sentence for a person.</param>
public sealed record CloseReason(string Name, int Code, bool Reconnect, string Text)
{
    /// <summary>Come back at once: another gateway, or this one after its restart, goes on from the cursor.</summary>
    public static readonly CloseReason ShuttingDown = new("shutting_down", 4000, true, "The gateway is shutting down. Reconnect with your cursors.");

    /// <summary>Come back with a new token.</summary>
    public static readonly CloseReason TokenExpired = new("token_expired", 4001, true, "The token has expired. Reconnect with a new one.");

    /// <summary>Do not come back by yourself.</summary>
    public static readonly CloseReason Disconnected = new("disconnected", 4003, false, "The connection was ended by an administrator or by the user.");

    /// <summary>Come back with the cursor, and read faster.</summary>
    public static readonly CloseReason SlowConsumer = new("slow_consumer", 4008, true, "Too much was waiting to be received. Reconnect with your cursors.");

    /// <summary>Come back; it may go better then. The server's log says what happened.</summary>
    public static readonly CloseReason Failed = new("failed", 4011, true, "Something went wrong on the server.");

    /// <summary>Do not come back by yourself: the application does not want the connection.</summary>
    /// <param name="text">The application's own sentence.</param>
    public static CloseReason Rejected(string text) => new("rejected", 4010, false, text);

    /// <summary>What a connection is closed with that the application's code has thrown this for.</summary>
    internal static CloseReason Of(Exception exception) => exception switch
    {
        ConnectionRejectedException rejection => Rejected(rejection.MessageWithData),
        RealtimeException { Code: not RealtimeErrorCode.Internal } refusal => Rejected(refusal.Message),
        _ => Failed,
    };
}
