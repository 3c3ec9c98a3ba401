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
    /// <summary>How long it takes to try again to end other subscriptions. They cost a call for each batch, and nothing else.</summary>
    static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(30);

    readonly List<StreamSubscriptionHandle<MailboxBatch>> _useless = [];
    Subscription? _current;
    Subscription? _former;

    /// <summary>Whether pub-sub may know of subscriptions that are not known here, because subscribing has failed half-way, or may not know the current one.</summary>
    bool _unsure;
    long? _failedToEnd;
    long _heard;

    /// <summary>How long nothing has come, by any subscription.</summary>
    public TimeSpan Silence => time.GetElapsedTime(_heard);

    IAsyncStream<MailboxBatch> Stream =>
        cluster.ServiceProvider.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName).GetStream<MailboxBatch>(Mailbox.StreamOf(identity.Id));

    /// <summary>Subscribes, again where that has been done before.</summary>
    public async Task ConnectAsync(TimeSpan timeout)
    {
        _heard = time.GetTimestamp();
        (_unsure, _failedToEnd) = (true, null);
        var next = new Subscription();
        next.Handle = await Stream.SubscribeAsync((batch, _) => OnBatchAsync(next, batch)).WaitAsync(timeout, time);

        // Of the earlier ones, the last that has brought something stays.
        var useless = _current;
        if (_current is { Heard: true })
        {
            (useless, _former) = (_former, _current);
        }

        AddUseless(useless);
        _current = next;
    }

    /// <summary>Ends the subscriptions that are of no use, and with the first batch of the current one all others. Where that fails it is tried again.</summary>
    /// <returns>False where pub-sub does not know the current one: then the mailbox is to be connected again.</returns>
    public async Task<bool> EndOthersAsync(TimeSpan timeout)
    {
        if (_failedToEnd is { } failed && time.GetElapsedTime(failed) < RetryPause)
        {
            return true;
        }

        _failedToEnd = time.GetTimestamp();
        await EndUselessAsync(timeout);
        if (_unsure && _current is { Heard: true, Handle: { } current })
        {
            var known = await Stream.GetAllSubscriptionHandles().WaitAsync(timeout);
            if (known.All(handle => handle.HandleId != current.HandleId))
            {
                return false;
            }

            _useless.AddRange(known.Where(handle => handle.HandleId != current.HandleId));
            AddUseless(_former);
            _former = null;
            await EndUselessAsync(timeout);
            _unsure = false;
        }

        _failedToEnd = null;
        return true;
    }

    public Task CloseAsync(TimeSpan timeout)
    {
        AddUseless(_former);
        AddUseless(_current);
        return EndUselessAsync(timeout);
    }

    void AddUseless(Subscription? subscription)
    {
        if (subscription?.Handle is { } handle)
        {
            _useless.Add(handle);
        }
    }

    async Task EndUselessAsync(TimeSpan timeout)
    {
        while (_useless is [.., var last])
        {
            try
            {
                await last.UnsubscribeAsync().WaitAsync(timeout);
            }
            catch (ArgumentException)
            {
                // An attempt that was given up has ended it after all.
            }

            _useless.RemoveAt(_useless.Count - 1);
        }
    }

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
