using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>One connection's part in one channel.</summary>
public sealed class Subscription
{
    static readonly object s_begun = new(), s_abandoned = new();

    internal Subscription(ClientConnection connection, LocalChannel channel)
    {
        Connection = connection;
        Channel = channel;
    }

    public ClientConnection Connection { get; }

    internal LocalChannel Channel { get; }

    public ChannelId Id => Channel.Id;

    /// <summary>What the connection has been sent of this channel. Written by the connection's writer alone, once delivery has begun.</summary>
    public Cursor Sent { get; internal set; }

    long _afterOffset;
    long _afterRevision;
    SubscribeResult _result;
    bool _attached;

    /// <summary>Null while delivery has not begun; then one of the two above, or why it failed. A completion source only where somebody waits for that.</summary>
    object? _outcome;

    /// <summary>Whether delivery has begun: until then the connection is not yet a member.</summary>
    internal bool HasBegun => Volatile.Read(ref _outcome) == s_begun;

    /// <summary>Completes when delivery has begun, or failed. Null where it was given up because the channel was being removed: subscribe again.</summary>
    internal Task<SubscribeResult?> WhenBegunAsync()
    {
        var waiting = new TaskCompletionSource<SubscribeResult?>(TaskCreationOptions.RunContinuationsAsynchronously);
        return Interlocked.CompareExchange(ref _outcome, waiting, null) switch
        {
            null => waiting.Task,
            TaskCompletionSource<SubscribeResult?> others => others.Task,
            Exception exception => Task.FromException<SubscribeResult?>(exception),
            var outcome => Task.FromResult<SubscribeResult?>(outcome == s_begun ? _result : null),
        };
    }

    internal void Attached() => Volatile.Write(ref _attached, true);

    /// <summary>True for the first who asks once the connection is in the audience: it is for that caller to begin delivery.</summary>
    internal bool TryBegin() => Interlocked.Exchange(ref _attached, false);

    internal void Begun(SubscribeResult result)
    {
        _result = result;
        (Interlocked.Exchange(ref _outcome, s_begun) as TaskCompletionSource<SubscribeResult?>)?.SetResult(result);
    }

    internal void Abandoned() => (Interlocked.Exchange(ref _outcome, s_abandoned) as TaskCompletionSource<SubscribeResult?>)?.SetResult(null);

    internal void Failed(Exception exception) => (Interlocked.Exchange(ref _outcome, exception) as TaskCompletionSource<SubscribeResult?>)?.SetException(exception);

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
