using OrleansRealtime.Channels;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Gateway.Jobs;

/// <param name="IdempotencyKey">A second start by the same user under the same key is the first one's job.</param>
/// <param name="CancelWhenUnwatched">Whether the job is cancelled when nobody watches it any more.</param>
public sealed record StartJobOptions(string? IdempotencyKey = null, bool CancelWhenUnwatched = false);

/// <summary>A job has been started.</summary>
/// <param name="Room">Where its events are, for whoever can join rooms.</param>
/// <param name="Events">The path at which an EventSource gets them.</param>
/// <param name="Status"><c>running</c>; where it had been started before, what has become of it.</param>
public sealed record StartedJob(string Id, string Name, string Room, string Events, string Status)
{
    internal static StartedJob Of(JobInfo job) => new(job.Id, job.Name, JobId.RoomOf(job.Id).ToString(), JobDescription.EventsOf(job.Id), JobDescription.TextOf(job.Status));
}

/// <summary>A job as it is now.</summary>
/// <param name="Status"><c>running</c>, <c>completed</c>, <c>failed</c> or <c>cancelled</c>.</param>
/// <param name="Progress">The data of the last status.</param>
public sealed record JobDescription(
    string Id,
    string Name,
    string Room,
    string Events,
    string Status,
    string StartedBy,
    DateTime StartedAt,
    DateTime? EndedAt,
    Payload? Progress,
    Payload? Result,
    JobError? Error)
{
    internal static JobDescription Of(JobInfo job) => new(
        job.Id,
        job.Name,
        JobId.RoomOf(job.Id).ToString(),
        EventsOf(job.Id),
        TextOf(job.Status),
        job.StartedBy,
        DateTime.UnixEpoch.AddMilliseconds(job.StartedAt),
        job.EndedAt is { } ended ? DateTime.UnixEpoch.AddMilliseconds(ended) : null,
        job.Progress,
        job.Result,
        job.Error);

    internal static string EventsOf(string id) => $"/jobs/{id}/events";

    internal static string TextOf(JobStatus status) => status switch
    {
        JobStatus.Running => "running",
        JobStatus.Completed => "completed",
        JobStatus.Failed => "failed",
        _ => "cancelled",
    };
}

/// <param name="Cancelled">Whether the job was running and has been asked to end.</param>
public sealed record CancelJobResult(bool Cancelled);
