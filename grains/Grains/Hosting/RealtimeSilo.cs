using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Clustering.Redis;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Serialization;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Gateways;
using OrleansRealtime.Jobs;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Redis;
using OrleansRealtime.Rooms;
using OrleansRealtime.Rooms.Redis;
using OrleansRealtime.Users;
using StackExchange.Redis;

namespace OrleansRealtime.Hosting;

/// <summary>How a silo is put together. What differs between the ways to run is which providers are registered, and that is here alone.</summary>
public static class RealtimeSilo
{
    /// <summary>Whether the process is to be part of a cluster, which the connection string of a Redis says. Otherwise it is embedded.</summary>
    public static bool IsCluster(this IConfiguration configuration) =>
        configuration[$"{RedisOptions.Section}:{nameof(RedisOptions.ConnectionString)}"] is { Length: > 0 };

    /// <summary>
    /// Embedded: one process that is silo and gateway. Logs and state in SQLite, mailboxes in memory, no clustering. The silo's own ports
    /// are picked by the system and listen on loopback only.
    /// </summary>
    public static IHostApplicationBuilder AddEmbeddedSilo(this IHostApplicationBuilder builder)
    {
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering(FreePort.Next());

            // Its one gateway is in the process: no port for others.
            silo.Configure<EndpointOptions>(endpoints => endpoints.GatewayPort = 0);
            silo.AddRealtimeGrains(builder.Configuration);
            silo.AddSqliteProviders(builder.Configuration);
            silo.AddMailboxes();
        });
        return builder;
    }

    /// <summary>A silo of a cluster. Membership, grain state, reminders and logs are in Redis.</summary>
    public static IHostApplicationBuilder AddClusterSilo(this IHostApplicationBuilder builder)
    {
        builder.Services.AddRealtimeCluster(builder.Configuration);
        builder.UseOrleans(silo =>
        {
            var cluster = builder.Configuration.GetSection(ClusterSettings.Section).Get<ClusterSettings>() ?? new();
            silo.UseRedisClustering(_ => { });
            silo.ConfigureEndpoints(
                IPAddress.TryParse(cluster.Address, out var address) ? address : IPAddress.Loopback,
                cluster.SiloPort == 0 ? FreePort.Next() : cluster.SiloPort,
                cluster.GatewayPort == 0 ? FreePort.Next() : cluster.GatewayPort);
            if (cluster.Kubernetes)
            {
                silo.UseKubernetesHosting();
            }

            silo.Configure<ClusterMembershipOptions>(membership =>
            {
                membership.ProbeTimeout = cluster.ProbeTimeout;
                membership.NumMissedProbesLimit = cluster.MissedProbes;

                // A silo from which anything has come within this, times the missed probes, does not count as dead. Orleans takes four times the probe's own.
                membership.MaxProbeTimeout = cluster.ProbeTimeout * 2;

                // So that silos which start after all others were killed do not wait for these for long.
                membership.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(3);
                membership.NumMissedTableIAmAliveLimit = 2;
                membership.DefunctSiloExpiration = TimeSpan.FromHours(1);
                membership.DefunctSiloCleanupPeriod = TimeSpan.FromMinutes(10);
            });
            silo.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = cluster.ResponseTimeout);
            silo.AddRealtimeGrains(builder.Configuration);
            silo.AddRedisGrainStorage(UserGrain.StorageName);
            silo.AddRedisGrainStorage("PubSubStore");
            silo.UseRedisReminderService(_ => { });
            silo.Services.AddHostedService<MembershipKeeper>();
            silo.Services.AddSingleton<IChannelStore, RedisChannelStore>();
            silo.Services.AddSingleton<IInterestStore, RedisInterestStore>();
            silo.Services.AddSingleton<IMemberStore, RedisMemberStore>();
            silo.AddMailboxes();
        });
        return builder;
    }

    /// <summary>The other side of <see cref="AddClusterSilo"/>: a gateway that is a client of the cluster, and has no silo inside.</summary>
    public static IHostApplicationBuilder AddClusterClient(this IHostApplicationBuilder builder)
    {
        builder.Services.AddRealtimeCluster(builder.Configuration);
        builder.UseOrleansClient(client =>
        {
            var cluster = builder.Configuration.GetSection(ClusterSettings.Section).Get<ClusterSettings>() ?? new();
            client.UseRedisClustering(_ => { });
            client.UseConnectionRetryFilter<WaitForSilos>();
            client.Configure<ClientMessagingOptions>(messaging => messaging.ResponseTimeout = cluster.ResponseTimeout);
            client.Configure<Orleans.Configuration.GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = TimeSpan.FromSeconds(10));
            client.AddMailboxes();
        });
        return builder;
    }

    /// <summary>What the silos and the gateways of a cluster have in common: its names, and one connection to Redis in each process.</summary>
    static void AddRealtimeCluster(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddOptions<ClusterSettings>().Bind(configuration.GetSection(ClusterSettings.Section)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<ClusterSettings>, ClusterSettingsValidator>();
        services.AddOptions<RedisOptions>().Bind(configuration.GetSection(RedisOptions.Section)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<RedisOptions>, RedisOptionsValidator>();
        services.TryAddSingleton(TimeProvider.System);

        // Why a channel is not available goes with the exception that says so. Where Orleans does not know a cause's type, the caller gets an exception that says only that.
        services.Configure<ExceptionSerializationOptions>(exceptions => exceptions.SupportedNamespacePrefixes.Add("StackExchange"));
        services.AddSingleton<RedisConnection>();
        services.AddOptions<ClusterOptions>().Configure<IOptions<ClusterSettings>>((orleans, settings) =>
            (orleans.ClusterId, orleans.ServiceId) = (settings.Value.ClusterId, settings.Value.ServiceId));
        services.AddOptions<RedisClusteringOptions>().Configure<RedisConnection>((redis, connection) =>
        {
            redis.ConfigurationOptions = ConfigurationOptions.Parse(connection.Options.ConnectionString);
            redis.CreateMultiplexer = async _ => (await connection.GetAsync(), true);
            redis.CreateRedisKey = orleans => $"{connection.Options.KeyPrefix}:orleans:{orleans.ClusterId}:members";
        });
        services.AddOptions<RedisReminderTableOptions>().Configure<RedisConnection>((redis, connection) =>
        {
            redis.ConfigurationOptions = ConfigurationOptions.Parse(connection.Options.ConnectionString);
            redis.CreateMultiplexer = async _ => (await connection.GetAsync(), true);
        });
        foreach (string storage in (string[])[UserGrain.StorageName, "PubSubStore"])
        {
            services.AddOptions<RedisStorageOptions>(storage).Configure<RedisConnection>((redis, connection) =>
            {
                redis.ConfigurationOptions = ConfigurationOptions.Parse(connection.Options.ConnectionString);
                redis.CreateMultiplexer = async _ => (await connection.GetAsync(), true);
                redis.GetStorageKey = (name, grain) => $"{connection.Options.KeyPrefix}:orleans:{{{grain}}}:{name}";
                redis.DeleteStateOnClear = true;
            });
        }
    }

    /// <summary>What a silo without a cluster keeps, and where. Subscriptions to mailboxes end with the process, as the gateways' ids do.</summary>
    static void AddSqliteProviders(this ISiloBuilder silo, IConfiguration configuration)
    {
        silo.Services.AddSqliteChannelStore(configuration);
        silo.Services.AddSingleton<IInterestStore, NoInterestStore>();
        silo.Services.AddSingleton<IMemberStore, NoMemberStore>();
        silo.AddSqliteGrainStorage(UserGrain.StorageName);
        silo.AddSqliteReminders();
        silo.AddMemoryGrainStorage("PubSubStore");
    }

    /// <summary>What every silo has, whatever its providers: an <see cref="IChannelStore"/> and the stream provider <c>mailbox</c> are still to be added.</summary>
    public static ISiloBuilder AddRealtimeGrains(this ISiloBuilder silo, IConfiguration configuration)
    {
        silo.Services.AddOptions<ChannelOptions>().Bind(configuration.GetSection(ChannelOptions.Section)).ValidateOnStart();
        silo.Services.AddSingleton<IValidateOptions<ChannelOptions>, ChannelOptionsValidator>();
        silo.Services.AddOptions<GatewayLeaseOptions>().Bind(configuration.GetSection(GatewayLeaseOptions.Section)).ValidateOnStart();
        silo.Services.AddSingleton<IValidateOptions<GatewayLeaseOptions>, GatewayLeaseOptionsValidator>();
        silo.Services.TryAddSingleton(TimeProvider.System);

        // Two tables are made for as many grains at the start. Orleans takes a million, and tables of 18 MB, which are in memory as soon as some thousand grains are.
        silo.Configure<GrainDirectoryOptions>(directory => directory.CacheSize = 200_000);
        silo.Services.AddSingleton<SiloDepartures>();
        silo.Services.AddSingleton<ChannelHousekeeping>().AddHostedService(services => services.GetRequiredService<ChannelHousekeeping>());
        silo.Services.AddSingleton<HeadRepeater>().AddHostedService(services => services.GetRequiredService<HeadRepeater>());
        silo.Services.AddSingleton<Outboxes>();
        silo.Services.AddSingleton<MailboxSubscriptions>();
        silo.Services.AddSingleton<ChannelServices>();
        silo.AddJobServices(configuration);
        return silo;
    }

    /// <summary>Jobs need a reminder service as well; without one everything else works, and a job cannot be started.</summary>
    static void AddJobServices(this ISiloBuilder silo, IConfiguration configuration)
    {
        silo.Services.AddOptions<JobOptions>().Bind(configuration.GetSection(JobOptions.Section)).ValidateOnStart();
        silo.Services.AddSingleton<IValidateOptions<JobOptions>, JobOptionsValidator>();
        silo.Services.AddSingleton<JobRegistry>();
        silo.Services.AddSingleton<JobSlots>();
        silo.Services.AddSingleton<JobServices>();
        silo.Services.AddOptions<ReminderOptions>().Configure<IOptions<JobOptions>>((reminders, jobs) =>
        {
            if (jobs.Value.ResumePeriod < reminders.MinimumReminderPeriod)
            {
                reminders.MinimumReminderPeriod = jobs.Value.ResumePeriod;
            }
        });

        // It warns of reminders that come more often than every minute. Only jobs that run have such.
        silo.Services.AddLogging(logging => logging.AddFilter("Orleans.Hosting.ReminderOptionsValidator", LogLevel.Error));
    }
}
