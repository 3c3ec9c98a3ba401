using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>The mailbox stream provider of a cluster: a queue adapter on Redis Streams.</summary>
static class RedisMailboxes
{
    /// <summary>How long a delivery to a gateway is tried again. What could not be delivered is dropped, and the gateway is told so if it comes back.</summary>
    static readonly TimeSpan DeliveryTime = TimeSpan.FromSeconds(20);

    public static ISiloBuilder AddRedisMailboxes(this ISiloBuilder silo, IConfiguration configuration)
    {
        silo.Services.AddOptions<MailboxOptions>().Bind(configuration.GetSection(MailboxOptions.Section)).ValidateOnStart();
        silo.Services.AddSingleton<IValidateOptions<MailboxOptions>, MailboxOptionsValidator>();
        silo.Services.AddSingleton<MailboxProducers>();
        silo.Services.AddSingleton<MailboxLanes>();
        return silo.AddPersistentStreams(Mailbox.ProviderName, RedisMailboxAdapter.CreateForSilo, mailboxes =>
        {
            mailboxes.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly);
            mailboxes.ConfigurePartitionBalancing((services, _) => services.GetRequiredService<MailboxLanes>());
            mailboxes.ConfigurePullingAgent(agent => agent.Configure(options =>
            {
                // The lane waits for events, so this is only how soon it is asked again after a pause.
                options.GetQueueMsgsTimerPeriod = TimeSpan.FromMilliseconds(10);
                options.BatchContainerBatchSize = GatewayMailbox.DeliveredTogether;
                options.MaxEventDeliveryTime = DeliveryTime;

                // A stream leaves its agent when its gateway's subscription ends, not because nothing is said for a while.
                options.StreamInactivityPeriod = TimeSpan.FromDays(1);
            }));
        });
    }

    /// <summary>A gateway only reads its mailbox, and that from the silos: it needs no settings and no Redis for it.</summary>
    public static IClientBuilder AddRedisMailboxes(this IClientBuilder client, IConfiguration configuration) =>
        client.AddPersistentStreams(
            Mailbox.ProviderName,
            RedisMailboxAdapter.CreateForClient,
            mailboxes => mailboxes.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly));
}
