using Microsoft.Extensions.Options;

namespace OrleansRealtime.Jobs;

/// <summary>Section <c>Realtime:Jobs</c>: how silos run jobs, and the limits of these.</summary>
public sealed class JobOptions
{
    public const string Section = "Realtime:Jobs";

    /// <summary>How long what has become of a job is known after its end. Its room's log is kept as that of any room.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>After how long at the latest a job goes on whose silo has died, reckoned from when the others have noticed.</summary>
    public TimeSpan ResumePeriod { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a job that is to be cancelled when unwatched goes on after its last watcher has gone. One who reconnects needs a while.</summary>
    public TimeSpan WatcherGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long such a job may wait for its first watcher.</summary>
    public TimeSpan FirstWatcherGrace { get; set; } = TimeSpan.FromSeconds(35);

    /// <summary>How long a handler may take to end that was asked to. After that the job is cancelled without it.</summary>
    public TimeSpan CancelGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of a job's input at most, as JSON.</summary>
    public int MaxInputBytes { get; set; } = 64 << 10;

    /// <summary>Bytes of a status, and of a result, at most, as JSON.</summary>
    public int MaxEventBytes { get; set; } = 64 << 10;

    /// <summary>Bytes of a checkpoint at most, as JSON.</summary>
    public int MaxCheckpointBytes { get; set; } = 1 << 20;

    /// <summary>Jobs that a silo runs at a time; it takes no more. Those that go on from another silo are always taken.</summary>
    public int MaxRunning { get; set; } = 1_000;

    /// <summary>Jobs of one user that a silo runs at a time.</summary>
    public int MaxRunningPerUser { get; set; } = 100;
}

sealed class JobOptionsValidator : IValidateOptions<JobOptions>
{
    public ValidateOptionsResult Validate(string? name, JobOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{JobOptions.Section}:{setting} {rule}.");
            }
        }

        Check(options.Retention >= TimeSpan.FromSeconds(1) && options.Retention <= TimeSpan.FromDays(365), nameof(options.Retention), "must be 1 second to 365 days");
        Check(options.ResumePeriod >= TimeSpan.FromSeconds(1) && options.ResumePeriod <= TimeSpan.FromHours(1), nameof(options.ResumePeriod), "must be 1 second to 1 hour");
        Check(options.WatcherGrace >= TimeSpan.Zero, nameof(options.WatcherGrace), "must not be negative");
        Check(options.FirstWatcherGrace >= TimeSpan.Zero, nameof(options.FirstWatcherGrace), "must not be negative");
        Check(options.CancelGrace >= TimeSpan.Zero && options.CancelGrace <= TimeSpan.FromHours(1), nameof(options.CancelGrace), "must be 0 to 1 hour");
        Check(options.MaxInputBytes is >= 1 and <= 16 << 20, nameof(options.MaxInputBytes), "must be 1 to 16777216");
        Check(options.MaxEventBytes is >= 256 and <= 16 << 20, nameof(options.MaxEventBytes), "must be 256 to 16777216");
        Check(options.MaxCheckpointBytes is >= 1 and <= 64 << 20, nameof(options.MaxCheckpointBytes), "must be 1 to 67108864");
        Check(options.MaxRunning is >= 0 and <= 1_000_000, nameof(options.MaxRunning), "must be 0 to 1000000");
        Check(options.MaxRunningPerUser is >= 0 and <= 1_000_000, nameof(options.MaxRunningPerUser), "must be 0 to 1000000");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
