using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// This gateway's subscription to its mailbox. Where it may have been dropped a new one is made: resuming it would not register it again.
/// The former is kept until the new one has brought something, because the silo that delivers may never be told of the new one: whom to
/// tell is lost where the silo of the stream's pub-sub grain dies together with what Redis has of it.
/// </summary>
/// <param name="received">Takes what comes, one batch after the other.</param>
sealed class MailboxConnection(GatewayIdentity identity, IClusterClient cluster, Func<MailboxBatch, Task> received, TimeProvider time)
{
    Subscription? _current;
    Subscription? _former;
    long _heard;

    /// <summary>How long nothing has come, by any subscription.</summary>
    public TimeSpan Silence => time.GetElapsedTime(_heard);

    /// <summary>Subscribes, again where that has been done before.</summary>
    public async Task ConnectAsync(TimeSpan timeout)
    {
        _heard = time.GetTimestamp();
        var next = new Subscription();
        next.Handle = await cluster.ServiceProvider.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName)
            .GetStream<MailboxBatch>(Mailbox.StreamOf(identity.Id))
            .SubscribeAsync((batch, _) => OnBatchAsync(next, batch))
            .WaitAsync(timeout, time);

        // Of the earlier ones, the last that has brought something stays.
        var useless = _current;
        if (_current is { Heard: true })
        {
            (useless, _former) = (_former, _current);
        }

        _current = next;
        await EndAsync(useless, timeout);
    }

    /// <summary>Ends the former subscription once it is not needed any more.</summary>
    public async Task EndFormerAsync(TimeSpan timeout)
    {
        if (_current is { Heard: true } && _former is { } former)
        {
            _former = null;
            await EndAsync(former, timeout);
        }
    }

    public async Task CloseAsync(TimeSpan timeout)
    {
        await EndAsync(_current, timeout);
        await EndAsync(_former, timeout);
    }

    static Task EndAsync(Subscription? subscription, TimeSpan timeout) =>
        subscription?.Handle is { } handle ? handle.UnsubscribeAsync().WaitAsync(timeout) : Task.CompletedTask;

    Task OnBatchAsync(Subscription subscription, MailboxBatch batch)
    {
        _heard = time.GetTimestamp();
        subscription.Heard = true;
        return subscription == _current || _current is not { Heard: true } ? received(batch) : Task.CompletedTask;
    }

    sealed class Subscription
    {
        public StreamSubscriptionHandle<MailboxBatch>? Handle { get; set; }

        /// <summary>Whether anything has come by it.</summary>
        public volatile bool Heard;
    }
}
