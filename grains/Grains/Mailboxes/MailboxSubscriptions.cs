using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using Orleans.Streams.Core;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>Who subscribes to a mailbox: its gateway, until its lease ends. A gateway that died cannot clean up after itself.</summary>
sealed class MailboxSubscriptions(IServiceProvider services)
{
    /// <summary>Both are there once the streams have been started.</summary>
    readonly Lazy<IStreamSubscriptionManager> _subscriptions = new(
        () => services.GetRequiredService<IStreamSubscriptionManagerAdmin>().GetStreamSubscriptionManager(StreamSubscriptionManagerType.ExplicitSubscribeOnly));

    readonly Lazy<IStreamPubSub> _pubSub = new(() => PubSubOf(services));

    /// <summary>
    /// Ends every subscription to the gateway's mailbox. Should the gateway turn out to be alive, it subscribes again when it notices
    /// that nothing comes.
    /// </summary>
    public async Task RemoveAsync(string gatewayId)
    {
        var mailbox = Mailbox.StreamOf(gatewayId);
        foreach (var subscription in await _subscriptions.Value.GetSubscriptions(Mailbox.ProviderName, mailbox))
        {
            await _subscriptions.Value.RemoveSubscription(Mailbox.ProviderName, mailbox, subscription.SubscriptionId);
        }
    }

    internal async Task<bool> AnyAsync(StreamId mailbox) => (await _subscriptions.Value.GetSubscriptions(Mailbox.ProviderName, mailbox)).Any();

    /// <summary>With the last producer and the last subscriber, the mailbox's record is deleted from the storage of pub-sub.</summary>
    internal Task RemoveProducerAsync(StreamId mailbox, GrainId agent) =>
        _pubSub.Value.UnregisterProducer(new QualifiedStreamId(Mailbox.ProviderName, mailbox), agent);

    /// <summary>
    /// Orleans 10.4.2 has no public way to the pub-sub of a silo, although its interface is public. Without it every gateway that ever was
    /// would leave a record behind.
    /// </summary>
    static IStreamPubSub PubSubOf(IServiceProvider services)
    {
        var type = typeof(IStreamPubSub).Assembly.GetType("Orleans.Streams.IStreamProviderRuntime", throwOnError: true)!;
        var method = type.GetMethod("PubSub", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)!;
        return (IStreamPubSub)method.Invoke(services.GetRequiredService(type), [StreamPubSubType.ExplicitGrainBasedOnly])!;
    }
}
