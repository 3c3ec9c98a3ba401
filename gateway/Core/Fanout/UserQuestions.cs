using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateways;
using OrleansRealtime.Users;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// What users' grains want asked: puts each question to all connections of the user here that can answer, and reports to the grain what they have come to - the
/// first answer, or that all have refused, or that there was nobody.
/// </summary>
sealed partial class UserQuestions(
    LocalChannels channels, IClusterClient cluster, GatewayIdentity identity, IOptions<GatewayOptions> options, TimeProvider time, ILogger<UserQuestions> logger)
{
    static readonly UserAnswer s_nobody = new(UserAnswerStatus.Offline);

    /// <summary>By request. They stay until their time is over, because the mailbox may repeat.</summary>
    readonly ConcurrentDictionary<string, CancellationTokenSource> _asked = new();

    /// <summary>Asks without waiting for the answers.</summary>
    public void Ask(UserRequested request) => _ = AskAsync(request);

    /// <summary>Nobody waits for the answers any more.</summary>
    public void End(string requestId)
    {
        if (_asked.TryGetValue(requestId, out var ended))
        {
            _ = ended.CancelAsync();
        }
    }

    async Task AskAsync(UserRequested request)
    {
        // Not on the mailbox's turn.
        await Task.Yield();
        using var over = new CancellationTokenSource(request.Timeout, time);

        // Not disposed: an end may still be on its way. What would have to be is the timer, which is the other one's.
        var ended = CancellationTokenSource.CreateLinkedTokenSource(over.Token);
        if (!_asked.TryAdd(request.RequestId, ended))
        {
            return;
        }

        try
        {
            var answer = await AnswerOfAnyAsync(request, ended.Token);
            if (!ended.IsCancellationRequested)
            {
                await cluster.GetGrain<IUserGrain>(request.Channel.Key).ReportAnswer(request.RequestId, identity.Id, answer);
            }
        }
        catch (Exception exception)
        {
            // Who asks is told that nobody has answered in time.
            NotReported(request.Channel, exception);
        }

        await ended.CancelAsync();
        await Task.Delay(Timeout.InfiniteTimeSpan, over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _asked.TryRemove(request.RequestId, out _);
    }

    async Task<UserAnswer> AnswerOfAnyAsync(UserRequested request, CancellationToken ended)
    {
        var data = EventPayload.ToArguments(request.Data);
        var asking = channels.AudienceOf(request.Channel)
            .Where(c => c is { IsTwoWay: true, IsAnnounced: true, IsClosing: false })
            .Select(c => AnswerOfAsync(c, request, data, ended))
            .ToList();
        var outcome = s_nobody;
        await foreach (var asked in Task.WhenEach(asking))
        {
            var answer = await asked;
            if (answer.Status is UserAnswerStatus.Answered or UserAnswerStatus.TooLarge)
            {
                return answer;
            }

            outcome = answer.Status == UserAnswerStatus.Refused ? answer : outcome;
        }

        return outcome;
    }

    /// <summary>One connection's answer. Offline stands for all that is none.</summary>
    async Task<UserAnswer> AnswerOfAsync(ClientConnection connection, UserRequested request, EventData data, CancellationToken ended)
    {
        try
        {
            var answer = EventPayload.OfFirst(await connection.RequestAsync(request.Event, data, request.From, Timeout.InfiniteTimeSpan, ended));
            int most = options.Value.MaxPayloadBytes;
            return answer?.Bytes.Length > most
                ? new(UserAnswerStatus.TooLarge, Message: $"The answer has {answer.Bytes.Length} bytes of data; at most {most} are allowed.")
                : new(UserAnswerStatus.Answered, answer);
        }
        catch (RealtimeException exception) when (exception.Code == RealtimeErrorCode.Refused)
        {
            return new(UserAnswerStatus.Refused, Message: exception.Message);
        }
        catch (Exception exception) when (exception is RealtimeException or OperationCanceledException)
        {
            return s_nobody;
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "What {Channel} was asked could not be answered to its grain.")]
    partial void NotReported(ChannelId channel, Exception exception);
}
