namespace OrleansRealtime.Client;

public sealed record SendOptions
{
    public string Event { get; init; } = "message";

    /// <summary>Under which a message is kept only once. A random one where null.</summary>
    public string? MessageId { get; init; }

    /// <summary><c>durable</c>, <c>transient</c> (sent once, not kept, not queued while there is no connection) or <c>latest</c>. Direct messages are durable.</summary>
    public string? Delivery { get; init; }

    /// <summary>Of a <c>latest</c> value.</summary>
    public string? Key { get; init; }
}
