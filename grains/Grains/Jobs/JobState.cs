using OrleansRealtime.Channels;

namespace OrleansRealtime.Jobs;

/// <summary>What of a job outlives its silo. Texts are JSON where nothing else is said.</summary>
[GenerateSerializer, Alias("OrleansRealtime.JobState")]
sealed record JobState
{
    /// <summary>The handler's name; null where there is no such job.</summary>
    [Id(0)]
    public string? Name { get; init; }

    [Id(1)]
    public string StartedBy { get; init; } = "";

    /// <summary>Milliseconds since the Unix epoch.</summary>
    [Id(2)]
    public long StartedAt { get; init; }

    /// <summary>As <see cref="StartedAt"/>; 0 while it runs.</summary>
    [Id(3)]
    public long EndedAt { get; init; }

    [Id(4)]
    public JobStatus Status { get; init; }

    /// <summary>Null once it has ended, as the checkpoint.</summary>
    [Id(5)]
    public string? Input { get; init; }

    [Id(6)]
    public bool CancelWhenUnwatched { get; init; }

    /// <summary>How often the handler has been called. Each call begins by counting it, which stops those before.</summary>
    [Id(7)]
    public int Attempt { get; init; }

    [Id(8)]
    public string? Checkpoint { get; init; }

    /// <summary>A sentence, once it is to be cancelled.</summary>
    [Id(9)]
    public string? CancelReason { get; init; }

    [Id(10)]
    public string? Result { get; init; }

    /// <summary>A sentence, where it has not completed.</summary>
    [Id(11)]
    public string? Error { get; init; }

    /// <summary>Whether the final event is in the job's room.</summary>
    [Id(12)]
    public bool IsTold { get; init; }

    /// <summary>As <see cref="JobInfo.Begin"/>.</summary>
    [Id(13)]
    public Cursor Begin { get; init; }

    public bool IsRunning => Name is not null && Status == JobStatus.Running;
}

/// <summary>How a job has ended.</summary>
/// <param name="Result">JSON, where it has completed.</param>
/// <param name="Error">A sentence, where it has not.</param>
sealed record JobOutcome(JobStatus Status, string? Result = null, string? Error = null);
