using Orleans.Concurrency;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Jobs;

/// <summary>
/// One job: runs the application's handler, and writes what becomes of it to the job's room (<see cref="JobId.RoomOf"/>). Its key is the job's id.
/// Any call to a job whose silo has died makes it go on.
/// </summary>
[Alias("OrleansRealtime.IJobGrain")]
public interface IJobGrain : IGrainWithStringKey
{
    /// <summary>Starts the job. One that was started before under this id is not started again; the answer is then what has become of it.</summary>
    [Alias("Start")]
    Task<JobStart> Start(JobRequest request);

    /// <summary>What has become of it; null where there is no such job (any more).</summary>
    [AlwaysInterleave, Alias("Info")]
    Task<JobInfo?> Info();

    /// <summary>Asks the job to end. False where it does not run (any more).</summary>
    [Alias("Cancel")]
    Task<bool> Cancel();
}

/// <param name="Name">The name under which the application has registered the handler.</param>
/// <param name="Input">JSON; null for none.</param>
/// <param name="StartedBy">The user who may cancel it.</param>
/// <param name="CancelWhenUnwatched">Whether the job is cancelled when nobody watches it any more.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.JobRequest")]
public sealed record JobRequest(
    [property: Id(0)] string Name,
    [property: Id(1)] Payload? Input,
    [property: Id(2)] string StartedBy,
    [property: Id(3)] bool CancelWhenUnwatched = false);

public enum JobStartStatus
{
    Started,

    /// <summary>It had been started before under this id.</summary>
    StartedBefore,

    /// <summary>The application has no job of that name.</summary>
    UnknownJob,

    /// <summary>The input is not what the handler expects; <see cref="JobStart.Error"/> says where.</summary>
    InvalidInput,

    /// <summary>The input is over the limit.</summary>
    InputTooLarge,

    /// <summary>As many jobs run as are allowed. Try again later.</summary>
    Overloaded,
}

/// <param name="Job">Null where it was refused.</param>
/// <param name="Error">A sentence for the client, where it was refused.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.JobStart")]
public sealed record JobStart(
    [property: Id(0)] JobStartStatus Status,
    [property: Id(1)] JobInfo? Job,
    [property: Id(2)] string? Error = null);

public enum JobStatus
{
    Running,
    Completed,
    Failed,
    Cancelled,
}

/// <summary>A job as it is now.</summary>
/// <param name="StartedAt">Milliseconds since the Unix epoch.</param>
/// <param name="EndedAt">As <paramref name="StartedAt"/>; null while it runs.</param>
/// <param name="Progress">The data of its last status.</param>
/// <param name="Result">JSON, once it has completed.</param>
/// <param name="Error">Once it has failed or was cancelled.</param>
/// <param name="IsTold">Whether the final event is in the job's room.</param>
/// <param name="Begin">The place in the room's log after which the job's events come. What is before it is of an earlier job of the same id, which has been forgotten.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.JobInfo")]
public sealed record JobInfo(
    [property: Id(0)] string Id,
    [property: Id(1)] string Name,
    [property: Id(2)] string StartedBy,
    [property: Id(3)] long StartedAt,
    [property: Id(4)] long? EndedAt,
    [property: Id(5)] JobStatus Status,
    [property: Id(6)] Payload? Progress,
    [property: Id(7)] Payload? Result,
    [property: Id(8)] JobError? Error,
    [property: Id(9)] bool IsTold,
    [property: Id(10)] Cursor Begin)
{
    /// <summary>Whether a place in the room's log is this job's.</summary>
    public bool Owns(Cursor place) => place.Epoch != Begin.Epoch || place.Offset > Begin.Offset;
}

/// <param name="Code"><c>failed</c> or <c>cancelled</c>.</param>
/// <param name="Message">A sentence for a person.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.JobError")]
public sealed record JobError(
    [property: Id(0)] string Code,
    [property: Id(1)] string Message);
