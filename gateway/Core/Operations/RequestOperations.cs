using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Users;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>Requests to a user (docs/requests.md), the same for every transport: whichever of the user's connections answers first.</summary>
sealed class RequestOperations(IClusterClient cluster, IOptions<GatewayOptions> options)
{
    /// <summary>
    /// Requests of one connection that may be unanswered. SignalR runs 64 invocations of a connection side by side; among them there must always be room for the
    /// connection's own answers.
    /// </summary>
    public const int MaxOfConnection = 32;

    static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(0.1), s_longest = TimeSpan.FromSeconds(60), s_default = TimeSpan.FromSeconds(10);

    /// <summary>Asks for a client.</summary>
    /// <param name="timeout">Seconds; 10 where null.</param>
    public async Task<EventData> AskUserAsync(
        ClientConnection connection, string? user, string? name, Payload? data, double? timeout, CancellationToken cancellationToken)
    {
        try
        {
            return Interlocked.Increment(ref connection.Asking) <= MaxOfConnection
                ? await AskUserAsync(connection.UserId, user, name, data, ToTimeout(timeout), cancellationToken)
                : throw new RealtimeException(
                    RealtimeErrorCode.Overloaded, $"This connection waits for {MaxOfConnection} answers of users already. Ask again when one of them has come.");
        }
        finally
        {
            Interlocked.Decrement(ref connection.Asking);
        }
    }

    /// <param name="from">Null where the server itself asks.</param>
    /// <returns>The answer, as the one argument of an event; none where there was no data.</returns>
    /// <exception cref="RealtimeException">There is no answer; the code says why.</exception>
    public async Task<EventData> AskUserAsync(string? from, string? user, string? name, Payload? data, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        string asked = RealtimeOperations.ParseUser(user).Key;
        string @event = RealtimeOperations.CheckName(name, "An event name");
        RealtimeOperations.CheckSize(data, options.Value);
        var request = new UserRequest(Guid.NewGuid().ToString("n"), @event, data, from, Check(timeout ?? s_default));
        var answer = await AskAsync(cluster.GetGrain<IUserGrain>(asked), request, cancellationToken);
        return answer.Status switch
        {
            UserAnswerStatus.Answered => EventPayload.ToArguments(answer.Data),
            UserAnswerStatus.Refused => throw new RealtimeException(RealtimeErrorCode.Refused, answer.Message!),
            UserAnswerStatus.Offline => throw new RealtimeException(RealtimeErrorCode.Offline, $"'{asked}' has no connection that could answer."),
            UserAnswerStatus.TimedOut => throw new RealtimeException(RealtimeErrorCode.Timeout, $"'{asked}' has not answered '{name}' in time."),
            UserAnswerStatus.TooLarge => throw new RealtimeException(RealtimeErrorCode.PayloadTooLarge, answer.Message!),
            UserAnswerStatus.Overloaded => throw new RealtimeException(
                RealtimeErrorCode.Overloaded, $"'{asked}' has been asked too much that is unanswered. Ask again later."),
            _ => throw Unavailable(null),
        };
    }

    /// <summary>Seconds as clients write them.</summary>
    public static TimeSpan? ToTimeout(double? seconds) => seconds is not { } given ? null
        : given >= s_shortest.TotalSeconds && given <= s_longest.TotalSeconds ? TimeSpan.FromSeconds(given)
        : throw InvalidTimeout();

    static async Task<UserAnswer> AskAsync(IUserGrain grain, UserRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await grain.Request(request).WaitAsync(cancellationToken);
            while (answer.Status == UserAnswerStatus.Waiting)
            {
                answer = await grain.AwaitAnswer(request.Id).WaitAsync(cancellationToken);
            }

            return answer;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Where this does not arrive, the grain forgets the request by itself.
            _ = grain.CancelRequest(request.Id);
            throw;
        }
        catch (Exception exception) when (exception is TimeoutException or OrleansException or ChannelUnavailableException)
        {
            throw Unavailable(exception);
        }
    }

    static TimeSpan Check(TimeSpan timeout) => timeout >= s_shortest && timeout <= s_longest ? timeout : throw InvalidTimeout();

    static RealtimeException InvalidTimeout() => new(
        RealtimeErrorCode.InvalidArgument, FormattableString.Invariant($"The timeout must be {s_shortest.TotalSeconds} to {s_longest.TotalSeconds} seconds."));

    static RealtimeException Unavailable(Exception? cause) => new(
        RealtimeErrorCode.Unavailable, "The user cannot be asked at the moment, or the answer is lost. Ask again.", cause);
}
