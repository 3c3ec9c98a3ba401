using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.WebUtilities;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>Why an operation was refused. All transports answer with the same codes; docs/api.md lists them for clients.</summary>
public enum RealtimeErrorCode
{
    /// <summary>The caller must change the request; the message says what is allowed.</summary>
    InvalidArgument,

    /// <summary>The cursor is malformed or of another channel; the caller starts without one.</summary>
    InvalidCursor,

    /// <summary>The caller needs a (new) token.</summary>
    Unauthenticated,

    /// <summary>The application's middleware does not accept the connection; the message is its own.</summary>
    Rejected,

    /// <summary>The token is good and does not allow this; trying again does not help.</summary>
    NotAllowed,

    /// <summary>The caller joins the room first.</summary>
    NotAMember,

    /// <summary>Nobody handles an event of that name; the caller corrects it.</summary>
    UnknownEvent,

    /// <summary>There is no job of that name, or of that id (any more).</summary>
    UnknownJob,

    /// <summary>The payload is over the limit; the caller sends less.</summary>
    PayloadTooLarge,

    /// <summary>The connection is in as many rooms as it may be; it leaves one first.</summary>
    TooManyRooms,

    /// <summary>The caller slows down and tries again under the same message id.</summary>
    Overloaded,

    /// <summary>Something behind the gateway does not answer; the caller tries again under the same message id.</summary>
    Unavailable,

    /// <summary>A client has not answered in the time that it was given.</summary>
    Timeout,

    /// <summary>The user has no connection that could answer.</summary>
    Offline,

    /// <summary>All that were asked have refused; the message is the client's own.</summary>
    Refused,

    /// <summary>A defect here. The message tells the caller nothing about it; the log does.</summary>
    Internal,
}

/// <summary>How the codes are written, and the HTTP status that goes with each.</summary>
public static class ErrorCodes
{
    /// <summary>The code on the wire, for example <c>not_a_member</c>.</summary>
    public static string Text(this RealtimeErrorCode code) => code switch
    {
        RealtimeErrorCode.InvalidArgument => "invalid_argument",
        RealtimeErrorCode.InvalidCursor => "invalid_cursor",
        RealtimeErrorCode.Unauthenticated => "unauthenticated",
        RealtimeErrorCode.Rejected => "rejected",
        RealtimeErrorCode.NotAllowed => "not_allowed",
        RealtimeErrorCode.NotAMember => "not_a_member",
        RealtimeErrorCode.UnknownEvent => "unknown_event",
        RealtimeErrorCode.UnknownJob => "unknown_job",
        RealtimeErrorCode.PayloadTooLarge => "payload_too_large",
        RealtimeErrorCode.TooManyRooms => "too_many_rooms",
        RealtimeErrorCode.Overloaded => "overloaded",
        RealtimeErrorCode.Unavailable => "unavailable",
        RealtimeErrorCode.Timeout => "timeout",
        RealtimeErrorCode.Offline => "offline",
        RealtimeErrorCode.Refused => "refused",
        _ => "internal",
    };

    public static int HttpStatus(this RealtimeErrorCode code) => code switch
    {
        RealtimeErrorCode.InvalidArgument or RealtimeErrorCode.InvalidCursor => StatusCodes.Status400BadRequest,
        RealtimeErrorCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        RealtimeErrorCode.Rejected or RealtimeErrorCode.NotAllowed or RealtimeErrorCode.NotAMember => StatusCodes.Status403Forbidden,
        RealtimeErrorCode.UnknownEvent or RealtimeErrorCode.UnknownJob => StatusCodes.Status404NotFound,
        RealtimeErrorCode.Offline or RealtimeErrorCode.Refused => StatusCodes.Status409Conflict,
        RealtimeErrorCode.PayloadTooLarge => StatusCodes.Status413PayloadTooLarge,
        RealtimeErrorCode.TooManyRooms or RealtimeErrorCode.Overloaded => StatusCodes.Status429TooManyRequests,
        RealtimeErrorCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        RealtimeErrorCode.Timeout => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status500InternalServerError,
    };
}

/// <summary>An operation that was refused. Its message is a sentence for the client: it holds nothing that the client may not know.</summary>
/// <param name="cause">For the log; clients never see it.</param>
public sealed class RealtimeException(RealtimeErrorCode code, string message, Exception? cause = null) : Exception(message, cause)
{
    public RealtimeErrorCode Code { get; } = code;

    /// <summary><c>code: message</c>, the text of a SignalR <c>HubException</c>.</summary>
    public string Text => $"{Code.Text()}: {Message}";

    /// <summary>RFC 9457 problem details with the extension <c>code</c>.</summary>
    public ProblemDetails ToProblem()
    {
        int status = Code.HttpStatus();
        return new()
        {
            Status = status,
            Title = ReasonPhrases.GetReasonPhrase(status),
            Detail = Message,
            Extensions = { ["code"] = Code.Text() },
        };
    }
}
