using System.Runtime.CompilerServices;
using System.Text.Json;

namespace OrleansRealtime.Client;

/// <param name="Status"><c>running</c>, <c>completed</c>, <c>failed</c> or <c>cancelled</c>.</param>
/// <param name="Room">The room its events are in.</param>
/// <param name="Events">Where they are as a stream for an EventSource.</param>
public sealed record JobInfo(
    string Id,
    string Name,
    string Room,
    string Events,
    string Status,
    string? StartedBy = null,
    DateTimeOffset? StartedAt = null,
    DateTimeOffset? EndedAt = null,
    JsonElement Progress = default,
    JsonElement Result = default,
    JobError? Error = null);

/// <param name="Code"><c>failed</c> or <c>cancelled</c>.</param>
public sealed record JobError(string Code, string Message);

public enum JobEventKind
{
    /// <summary>What the job reports of itself.</summary>
    Status,

    /// <summary>The last event: the data is the result, null where there is none.</summary>
    Complete,

    /// <summary>The last event: <see cref="JobEvent.Error"/> says why there is no result.</summary>
    Error,
}

/// <param name="Cursor">After which to go on watching.</param>
public sealed record JobEvent(JobEventKind Kind, JsonElement Data, JobError? Error, string? Cursor)
{
    public bool IsLast => Kind != JobEventKind.Status;
}

public sealed record JobOptions
{
    /// <summary>Under which the same user starts a job of this name only once.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Whether the job is to be cancelled when nobody watches it any more.</summary>
    public bool CancelWhenUnwatched { get; init; }
}

/// <summary>Work that the server does for longer than a request lasts, from <see cref="RealtimeClient.Jobs"/>.</summary>
public sealed class RealtimeJobs
{
    readonly RealtimeClient _client;

    internal RealtimeJobs(RealtimeClient client) => _client = client;

    public Task<JobInfo> StartAsync(string name, object? data = null, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        _client.InvokeAsync<JobInfo>("StartJob", [name, _client.ToElement(data), options], cancellationToken);

    public Task<JobInfo> GetAsync(string id, CancellationToken cancellationToken = default) => _client.InvokeAsync<JobInfo>("Job", [id], cancellationToken);

    /// <summary>Asks the job to end; needs to be its owner or <c>admin</c>. False where it had ended.</summary>
    public async Task<bool> CancelAsync(string id, CancellationToken cancellationToken = default) =>
        (await _client.InvokeAsync<CancelResult>("CancelJob", [id], cancellationToken)).Cancelled;

    /// <summary>The job's events from its first, or after a cursor; ends after the last one. Nothing is missed while there is no connection.</summary>
    public async IAsyncEnumerable<JobEvent> WatchAsync(string id, string? after = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var room = _client.Hold($"job:{id}");
        bool joined = false;
        try
        {
            await room.JoinAsync(cancellationToken: cancellationToken);
            joined = true;
            after ??= $"{room.Feed.Received!.Value.Epoch}:0";
            await foreach (var message in room.ReadAllAsync(after, cancellationToken))
            {
                if (EventOf(message) is { } jobEvent)
                {
                    yield return jobEvent;
                    if (jobEvent.IsLast)
                    {
                        break;
                    }
                }
            }
        }
        finally
        {
            if (joined)
            {
                await room.LeaveAsync(CancellationToken.None);
            }

            _client.LetGo(room);
        }
    }

    /// <summary>Waits for the job's end.</summary>
    /// <exception cref="RealtimeClientException"><c>failed</c> or <c>cancelled</c>.</exception>
    public async Task<T?> ResultAsync<T>(string id, CancellationToken cancellationToken = default)
    {
        await foreach (var jobEvent in WatchAsync(id, null, cancellationToken))
        {
            switch (jobEvent.Kind)
            {
                case JobEventKind.Complete:
                    return jobEvent.Data.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined ? default : jobEvent.Data.Deserialize<T>(_client.Options.Json);
                case JobEventKind.Error:
                    throw new RealtimeClientException(jobEvent.Error!.Code, jobEvent.Error.Message);
                default:
                    break;
            }
        }

        throw new RealtimeClientException(RealtimeClientErrors.Closed, "The client was closed before the job had ended.");
    }

    sealed record CancelResult(bool Cancelled);

    static JobEvent? EventOf(RealtimeMessage message) => message.Event switch
    {
        "status" => new(JobEventKind.Status, message.Data, null, message.Cursor),
        "complete" => new(JobEventKind.Complete, message.Data, null, message.Cursor),
        "error" => new(JobEventKind.Error, message.Data, message.DataAs<JobError>(RealtimeClient.WireJson), message.Cursor),
        _ => null,
    };
}
