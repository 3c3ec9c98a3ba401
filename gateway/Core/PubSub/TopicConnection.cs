using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.PubSub;

/// <summary>
/// A subscription's part in the fan-out: a connection like any other, with its place in the log, a bounded queue and the fate of a slow consumer, whose client is a
/// handler in this process. It is not one that is there: nobody is told of it.
/// </summary>
sealed class TopicConnection(TopicSubscription subscription, Permissions permissions, GatewayOptions options, ILogger logger)
    : ClientConnection(Guid.NewGuid().ToString("n"), "pubsub", permissions, options, logger)
{
    readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when it has been closed and everything that was taken from its queue has been handled.</summary>
    public Task Closed => _closed.Task;

    internal override bool IsTwoWay => false;

    internal override bool IsPresent => false;

    protected override WireFormat Format => TopicFormat.Instance;

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events) => subscription.HandleAsync(this, events);

    protected override ValueTask CloseAsync(CloseReason reason)
    {
        _closed.TrySetResult();
        return ValueTask.CompletedTask;
    }

    /// <summary>A handler may take longer than a client's last words; what it has been given counts all the same.</summary>
    protected override void Abort()
    {
    }
}

/// <summary>Events as they are. The bytes are only counted.</summary>
sealed class TopicFormat : WireFormat
{
    public static readonly TopicFormat Instance = new();

    /// <summary>What the smallest event counts for: about what it takes in memory.</summary>
    static readonly byte[] s_smallest = new byte[256];

    protected internal override byte[] Encode(ServerEvent serverEvent) =>
        serverEvent is MessageReceived { Message.Data.Bytes: var bytes } && bytes.Length > s_smallest.Length ? bytes : s_smallest;
}
