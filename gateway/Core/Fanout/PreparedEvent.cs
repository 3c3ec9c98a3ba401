using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>How a transport writes events. One instance for each format in a process.</summary>
public abstract class WireFormat
{
    static int s_count;

    /// <summary>Formats that a process may have; every event has room for the bytes of each.</summary>
    internal const int MaxFormats = 12;

    protected WireFormat()
    {
        if (Index >= MaxFormats)
        {
            throw new InvalidOperationException($"There may be {MaxFormats} wire formats; each is made once in a process.");
        }
    }

    /// <summary>The place of this format's bytes in a <see cref="PreparedEvent"/>.</summary>
    internal int Index { get; } = Interlocked.Increment(ref s_count) - 1;

    /// <summary>
    /// The bytes of an event, the same for every connection that uses the format. The caller does not change them.
    /// </summary>
    protected internal abstract byte[] Encode(ServerEvent serverEvent);
}

/// <summary>An event that is encoded at most once for each wire format, however many connections get it.</summary>
public sealed class PreparedEvent(ServerEvent serverEvent)
{
    readonly byte[]?[] _bytes = new byte[]?[WireFormat.MaxFormats];

    public ServerEvent Event { get; } = serverEvent;

    /// <summary>The place in its channel's log; 0 for what has none.</summary>
    public long Offset => Event is MessageReceived { Message: { Delivery: Delivery.Durable, Offset: var offset } } ? offset : 0;

    public Delivery Delivery => Event is MessageReceived { Message.Delivery: var delivery } ? delivery : Delivery.Durable;

    // Two threads may both encode; they make the same bytes.
    public byte[] GetBytes(WireFormat format) => _bytes[format.Index] ??= format.Encode(Event);
}
