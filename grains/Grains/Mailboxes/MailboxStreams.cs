using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>The stream provider of the mailboxes. A mailbox is in the memory of the silo that has its grain.</summary>
static class MailboxStreams
{
    /// <summary>How long a delivery to a gateway is tried again. What could not be delivered is dropped, and the gateway is told so if it comes back.</summary>
    static readonly TimeSpan DeliveryTime = TimeSpan.FromSeconds(20);

    public static ISiloBuilder AddMailboxes(this ISiloBuilder silo)
    {
        silo.Services.AddSingleton<MailboxLanes>();
        return silo.AddPersistentStreams(Mailbox.ProviderName, MailboxAdapter.CreateForSilo, mailboxes =>
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

    public static IClientBuilder AddMailboxes(this IClientBuilder client) =>
        client.AddPersistentStreams(
            Mailbox.ProviderName,
            MailboxAdapter.CreateForClient,
            mailboxes => mailboxes.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly));
}
