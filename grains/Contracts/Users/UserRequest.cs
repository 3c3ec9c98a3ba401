using OrleansRealtime.Channels;

namespace OrleansRealtime.Users;

/// <summary>A question for whichever of a user's connections answers it first.</summary>
/// <param name="Id">Chosen by the caller: random, and never used again.</param>
/// <param name="Event">What is asked.</param>
/// <param name="Data">Null for none.</param>
/// <param name="From">The asking user; null where the server itself asks.</param>
/// <param name="Timeout">How long there may be no answer.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserRequest")]
public sealed record UserRequest(
    [property: Id(0)] string Id,
    [property: Id(1)] string Event,
    [property: Id(2)] Payload? Data,
    [property: Id(3)] string? From,
    [property: Id(4)] TimeSpan Timeout);

public enum UserAnswerStatus
{
    Answered,

    /// <summary>All that were asked have refused.</summary>
    Refused,

    /// <summary>There is no connection that could answer.</summary>
    Offline,

    TimedOut,

    /// <summary>There was an answer, with more data than is allowed.</summary>
    TooLarge,

    /// <summary>The user owes too many answers.</summary>
    Overloaded,

    /// <summary>Nothing yet: wait again.</summary>
    Waiting,

    /// <summary>The grain knows no such request; it has been moved, or its silo has died.</summary>
    Unknown,
}

/// <param name="Data">What was answered; null for nothing.</param>
/// <param name="Message">Of a refusal, the client's own sentence; of an answer that is too large, how large it may be.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserAnswer")]
public sealed record UserAnswer(
    [property: Id(0)] UserAnswerStatus Status,
    [property: Id(1)] Payload? Data = null,
    [property: Id(2)] string? Message = null);
