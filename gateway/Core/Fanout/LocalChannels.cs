using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;
using OrleansRealtime.Users;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>The channels that this gateway follows, because some connection here is subscribed to them.</summary>
sealed class LocalChannels(
    Uplinks uplinks, IClusterClient cluster, IOptions<GatewayOptions> options, TimeProvider time, ILogger<LocalChannels> logger)
{
    /// <summary>Calls to grains that run side by side.</summary>
    const int CallsAtOnce = 64;

    /// <summary>The same for what is done all the time and nobody waits for: messages must not queue behind it.</summary>
    const int RoutineCallsAtOnce = 16;

    readonly ConcurrentDictionary<ChannelId, LocalChannel> _channels = new();

    /// <summary>
    /// Subscribes a connection, unless it is subscribed already: then the earlier result stands. Completes when the connection has
    /// been sent everything up to the live messages. Null where it has too many rooms, or has ended.
    /// </summary>
    public async Task<SubscribeResult?> SubscribeAsync(
        ClientConnection connection, ChannelId id, Cursor? cursor, CancellationToken cancellationToken)
    {
        while (await AttachAsync(connection, id, cancellationToken) is { } subscription)
        {
            if (subscription.TryBegin())
            {
                return await CatchUpAsync(subscription, cursor, cancellationToken);
            }

            if (await subscription.WhenBegunAsync().WaitAsync(cancellationToken) is { } earlier)
            {
                return earlier;
            }
        }

        return null;
    }

    /// <summary>
    /// The first half of that: from here on the connection is present and is told who comes and goes, and messages wait for the second
    /// half. Returns an earlier subscription where there is one. Null as above.
    /// </summary>
    public async Task<Subscription?> AttachAsync(ClientConnection connection, ChannelId id, CancellationToken cancellationToken)
    {
        while (true)
        {
            var channel = _channels.GetOrAdd(
                id, static (key, self) => new(key, self.Uplinks, self.Cluster, self.Time, self.Logger), new Context(uplinks, cluster, time, logger));
            var subscription = new Subscription(connection, channel);
            var present = connection.Add(subscription);
            if (present != subscription)
            {
                return present;
            }

            try
            {
                if (await channel.AttachAsync(subscription, cancellationToken))
                {
                    if (subscription.Ended)
                    {
                        channel.Unsubscribe(subscription);
                    }

                    subscription.Attached();
                    return subscription;
                }

                connection.Remove(subscription);
                subscription.Abandoned();
            }
            catch (Exception exception)
            {
                GiveUp(subscription, exception);
                throw;
            }
        }
    }

    static async Task<SubscribeResult> CatchUpAsync(Subscription subscription, Cursor? cursor, CancellationToken cancellationToken)
    {
        try
        {
            var result = await subscription.Channel.CatchUpAsync(subscription, cursor, cancellationToken);
            subscription.Begun(result);
            return result;
        }
        catch (Exception exception)
        {
            GiveUp(subscription, exception);
            throw;
        }
    }

    static void GiveUp(Subscription subscription, Exception exception)
    {
        subscription.Channel.Unsubscribe(subscription);
        subscription.Connection.Remove(subscription);
        subscription.Failed(exception);
    }

    public static bool Unsubscribe(ClientConnection connection, ChannelId id)
    {
        if (connection.Find(id) is not { } subscription || !connection.Remove(subscription))
        {
            return false;
        }

        subscription.Channel.Unsubscribe(subscription);
        return true;
    }

    /// <summary>The connection is gone.</summary>
    public static void End(ClientConnection connection)
    {
        foreach (var subscription in connection.End())
        {
            subscription.Channel.Unsubscribe(subscription);
        }
    }

    /// <summary>The connections that get a channel's live messages.</summary>
    public IReadOnlyList<ClientConnection> AudienceOf(ChannelId id) => _channels.TryGetValue(id, out var channel) ? channel.Audience : [];

    /// <summary>Hands messages of one channel to its audience, and writes.</summary>
    public Task DeliverAsync(ChannelMessages messages)
    {
        var batch = new FanoutBatch();
        if (_channels.TryGetValue(messages.Channel, out var channel))
        {
            channel.Deliver(messages, batch);
        }

        return batch.WriteAsync();
    }

    /// <summary>Hands a batch from the mailbox to the audiences, and writes.</summary>
    public Task DeliverAsync(MailboxBatch mailbox)
    {
        var batch = new FanoutBatch();
        foreach (var mailboxEvent in mailbox.Events)
        {
            if (!_channels.TryGetValue(mailboxEvent.Channel, out var channel))
            {
                continue;
            }

            switch (mailboxEvent)
            {
                case ChannelMessages messages:
                    channel.Deliver(messages, batch);
                    break;
                case DeclarationRequested:
                    _ = channel.CompareAsync();
                    break;
                case HeadRepeated { Head: var head }:
                    channel.CompareHead(head);
                    break;
                case PresenceChanged presence:
                    channel.Deliver(
                        new PreparedEvent(new PresenceReceived(
                            RoomName.FromQualified(presence.Channel.Key), presence.Joined, presence.Left, presence.Members)),
                        batch);
                    break;
            }
        }

        return batch.WriteAsync();
    }

    /// <summary>Compares one share of the channels with their logs; all of them, and fast, where there is one share.</summary>
    public Task CompareAsync(int share, int shares) => Parallel.ForEachAsync(
        _channels.Values.Where(c => (uint)c.Id.GetHashCode() % shares == share),
        new ParallelOptions { MaxDegreeOfParallelism = shares == 1 ? CallsAtOnce : RoutineCallsAtOnce },
        async (channel, _) => await channel.CompareAsync());

    /// <summary>Lets go of the channels that have had no audience for a while.</summary>
    public void Sweep()
    {
        foreach (var (id, channel) in _channels)
        {
            if (channel.TryRemove(options.Value.ChannelLinger))
            {
                _channels.TryRemove(new(id, channel));
            }
        }
    }

    /// <summary>Tells the users' grains how far their inboxes have been handed out.</summary>
    public Task ReportDeliveredAsync() => Parallel.ForEachAsync(
        _channels.Where(c => c.Key.Kind == ChannelKind.User),
        new ParallelOptions { MaxDegreeOfParallelism = CallsAtOnce },
        async (entry, _) =>
        {
            if (entry.Value.TakeDelivered() is not { } delivered)
            {
                return;
            }

            try
            {
                await cluster.GetGrain<IUserGrain>(entry.Key.Key).Delivered(delivered);
            }
            catch (Exception exception)
            {
                entry.Value.DeliveredNotReported();
                LocalChannelLog.DeliveredNotReported(logger, entry.Key, exception);
            }
        });

    readonly record struct Context(Uplinks Uplinks, IClusterClient Cluster, TimeProvider Time, ILogger Logger);
}
