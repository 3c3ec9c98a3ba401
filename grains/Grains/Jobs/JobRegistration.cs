using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace OrleansRealtime.Jobs;

/// <summary>How an application adds its jobs to a silo. Several calls add up.</summary>
public static class JobRegistration
{
    /// <summary>For the embedded server (<c>AddEmbeddedSilo</c>) and the silos of a cluster. In a gateway of a cluster it does nothing.</summary>
    public static IHostApplicationBuilder AddJobs(this IHostApplicationBuilder builder, Action<JobBuilder> configure)
    {
        builder.Services.AddJobs(configure);
        return builder;
    }

    /// <summary>For a silo that is put together elsewhere, such as one of Orleans' TestCluster: it needs <c>AddRealtimeGrains</c> and a reminder service.</summary>
    public static ISiloBuilder AddJobs(this ISiloBuilder silo, Action<JobBuilder> configure)
    {
        silo.Services.AddJobs(configure);
        return silo;
    }

    public static IServiceCollection AddJobs(this IServiceCollection services, Action<JobBuilder> configure)
    {
        configure(new(services));
        return services;
    }
}
