using System.Text.Json;

namespace OrleansRealtime.Jobs;

/// <summary>What a handler knows of its job, and tells of it. Its methods may be called from any thread; they take turns.</summary>
public sealed class JobContext
{
    readonly JobRun _run;

    internal JobContext(JobRun run, IServiceProvider services)
    {
        _run = run;
        Services = services;
    }

    public string Id => _run.Id;

    /// <summary>The name under which the handler is registered.</summary>
    public string Name => _run.Name;

    /// <summary>The user who has started it.</summary>
    public string StartedBy => _run.StartedBy;

    /// <summary>1 the first time that the handler is called for this job; more after the death or the end of its silo.</summary>
    public int Attempt => _run.Attempt;

    /// <summary>
    /// Cancelled when the job is, and when the silo stops: then the handler is called again elsewhere. One that does not end in time
    /// (<see cref="JobOptions.CancelGrace"/>) is left alone, and what it does after that has no effect on the job.
    /// </summary>
    public CancellationToken CancellationToken => _run.Cancelled;

    /// <summary>Services, in a scope of this call's own.</summary>
    public IServiceProvider Services { get; }

    /// <summary>
    /// Tells those who watch how the job is doing. Completes when the status is kept; while the message log is away it waits for it. After a silo's death
    /// those that came after the last checkpoint are told again.
    /// </summary>
    /// <param name="status">Written as JSON with camel-case names; by convention <c>{status, progress}</c>, where the progress is 0 to 100.</param>
    /// <exception cref="ArgumentException">It is over the limit (<see cref="JobOptions.MaxEventBytes"/>).</exception>
    /// <exception cref="OperationCanceledException">The job has ended without the handler, or goes on elsewhere.</exception>
    public Task ReportAsync(object? status) => _run.ReportAsync(status);

    /// <summary>Keeps how far the job is, so that the next call of the handler need not do that again. While the store is away it waits for it.</summary>
    /// <param name="checkpoint">Written as JSON; it takes the place of the one before.</param>
    /// <exception cref="ArgumentException">It is over the limit (<see cref="JobOptions.MaxCheckpointBytes"/>).</exception>
    /// <exception cref="OperationCanceledException">The job has ended without the handler, or goes on elsewhere.</exception>
    public Task CheckpointAsync(object? checkpoint) => _run.CheckpointAsync(checkpoint);

    /// <summary>What was last kept by <see cref="CheckpointAsync"/>, in this call or one before; the default where nothing was.</summary>
    /// <exception cref="JsonException">It is not of that form.</exception>
    public T? GetCheckpoint<T>() => _run.Checkpoint is { } json ? JsonSerializer.Deserialize<T>(json, JsonSerializerOptions.Web) : default;
}
