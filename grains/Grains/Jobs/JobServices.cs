using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Jobs;

/// <summary>What every job's grain needs of its silo.</summary>
sealed class JobServices(
    JobRegistry registry, JobSlots slots, IOptions<JobOptions> options, IServiceScopeFactory scopes, TimeProvider time, ILoggerFactory loggers)
{
    public JobRegistry Registry { get; } = registry;

    public JobSlots Slots { get; } = slots;

    public JobOptions Options { get; } = options.Value;

    /// <summary>Where handlers find their services.</summary>
    public IServiceScopeFactory Scopes { get; } = scopes;

    public TimeProvider Time { get; } = time;

    public ILogger Logger { get; } = loggers.CreateLogger("OrleansRealtime.Jobs");
}
