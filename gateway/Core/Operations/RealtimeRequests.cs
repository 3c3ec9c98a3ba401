using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>Asks users for the application's own code, in the server's own name.</summary>
public sealed class RealtimeRequests
{
    readonly RequestOperations _operations;

    internal RealtimeRequests(RequestOperations operations) => _operations = operations;

    /// <summary>Asks all connections of a user that can answer, on whichever gateway; the first answer wins.</summary>
    /// <param name="event">What is asked: 1 to 128 bytes of UTF-8 without control characters.</param>
    /// <param name="data">An object, as JSON with camel-case names, with binary data where it has <c>byte[]</c>; or a <see cref="Payload"/>; or null for none.</param>
    /// <param name="timeout">0.1 to 60 s; 10 s where null.</param>
    /// <returns>The answer: <c>answer.Get&lt;T&gt;(0)</c> is its data.</returns>
    /// <exception cref="RealtimeException">
    /// <see cref="RealtimeErrorCode.Offline"/> where no connection can answer; <see cref="RealtimeErrorCode.Refused"/> where all have refused;
    /// <see cref="RealtimeErrorCode.Timeout"/>; <see cref="RealtimeErrorCode.PayloadTooLarge"/>; <see cref="RealtimeErrorCode.Overloaded"/> where the user owes 1,000 answers;
    /// <see cref="RealtimeErrorCode.Unavailable"/> where the cluster does not answer.
    /// </exception>
    public Task<EventData> AskUserAsync(
        string user, string @event, object? data = null, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        _operations.AskUserAsync(null, user, @event, data as Payload ?? (data is null ? null : EventPayload.OfFirst(EventData.Of(data))), timeout, cancellationToken);
}
