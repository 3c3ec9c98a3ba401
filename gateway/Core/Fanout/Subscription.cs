using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>One connection's part in one channel.</summary>
public sealed class Subscription
{
    internal Subscription(ClientConnection connection, LocalChannel channel)
    {
        Connection = connection;
        Channel = channel;
    }

    public ClientConnection Connection { get; }

    internal LocalChannel Channel { get; }

    public ChannelId Id => Channel.Id;

    /// <summary>Completes when delivery has begun (or failed): until then the connection is not yet a member.</summary>
    internal TaskCompletionSource<SubscribeResult> Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the connection has been sent of this channel. Written by the connection's writer alone, once delivery has begun.</summary>
    public Cursor Sent { get; internal set; }

    long _afterOffset;
    long _afterRevision;

    /// <summary>Delivery begins after these places; what the log has been read up to is not sent again.</summary>
    internal void StartsAfter(long offset, long revision) => (_afterOffset, _afterRevision) = (offset, revision);

    /// <summary>Whether the event comes after the place where delivery began.</summary>
    internal bool Wants(PreparedEvent prepared) => prepared.Event is not MessageReceived { Message: var message }
        || message.Delivery switch
        {
            Channels.Delivery.Durable => message.Offset > _afterOffset,
            Channels.Delivery.Latest => message.Offset > _afterRevision,
            _ => true,
        };

    /// <summary>Set when the connection has left; what is under way for it is dropped.</summary>
    internal volatile bool Ended;
}

/// <summary>Where delivery has begun.</summary>
/// <param name="Position">What came before has been sent, or was not asked for.</param>
/// <param name="Recovered">False where messages after the client's cursor are gone for good.</param>
public readonly record struct SubscribeResult(Cursor Position, bool Recovered);
