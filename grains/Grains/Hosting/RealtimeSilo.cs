using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Streams;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Mailboxes.InProcess;
using OrleansRealtime.Users;

namespace OrleansRealtime.Hosting;

/// <summary>How a silo is put together. What differs between the ways to run is which providers are registered, and that is here alone.</summary>
public static class RealtimeSilo
{
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
            silo.AddPersistentStreams(Mailbox.ProviderName, InProcessMailboxes.Create, mailboxes =>
            {
                mailboxes.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly);
                mailboxes.ConfigurePullingAgent(agent => agent.Configure(options =>
                {
                    // The reader waits for events, so this is only how soon it is asked again after a pause.
                    options.GetQueueMsgsTimerPeriod = TimeSpan.FromMilliseconds(10);
                    options.BatchContainerBatchSize = 32;
                }));
            });
        });
        return builder;
    }

    /// <summary>
    /// A silo of its own on this machine, for gateways on this machine (<c>Realtime:Silo=localhost</c> there): a gateway can then be
    /// stopped and started while the silo lives on. Logs and state in SQLite, mailboxes in Orleans' memory streams.
    /// </summary>
    public static IHostApplicationBuilder AddLocalhostSilo(this IHostApplicationBuilder builder)
    {
        builder.UseOrleans(silo =>
        {
            silo.UseLocalhostClustering();
            silo.AddRealtimeGrains(builder.Configuration);
            silo.AddSqliteProviders(builder.Configuration);
            silo.AddMemoryStreams(Mailbox.ProviderName, mailboxes =>
            {
                mailboxes.ConfigurePartitioning(1);
                mailboxes.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly);
                mailboxes.ConfigurePullingAgent(agent => agent.Configure(options => options.GetQueueMsgsTimerPeriod = TimeSpan.FromMilliseconds(5)));
            });
        });
        return builder;
    }

    /// <summary>The other side of <see cref="AddLocalhostSilo"/>: a gateway that is a client of the silo on this machine.</summary>
    public static IHostApplicationBuilder AddLocalhostClient(this IHostApplicationBuilder builder)
    {
        builder.UseOrleansClient(client =>
        {
            client.UseLocalhostClustering();
            client.AddMemoryStreams(Mailbox.ProviderName, mailboxes => mailboxes.ConfigurePartitioning(1));
        });
        return builder;
    }

    /// <summary>What a silo without a cluster keeps, and where. Subscriptions to mailboxes end with the process, as the gateways' ids do.</summary>
    static void AddSqliteProviders(this ISiloBuilder silo, IConfiguration configuration)
    {
        silo.Services.AddSqliteChannelStore(configuration);
        silo.AddSqliteGrainStorage(UserGrain.StorageName);
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
        silo.Services.AddSingleton<Outboxes>();
        silo.Services.AddSingleton<ChannelServices>();
        return silo;
    }
}
