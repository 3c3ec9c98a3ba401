namespace OrleansRealtime.Channels;

/// <summary>What the bytes of a <see cref="Payload"/> are.</summary>
public enum PayloadKind
{
    /// <summary>One JSON value in UTF-8, as the publisher wrote it.</summary>
    Json,

    /// <summary>Opaque bytes.</summary>
    Binary,
}

/// <summary>The application's data of a message. It is passed through as it came; nobody on the way may change the bytes.</summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.Payload")]
public sealed class Payload(PayloadKind kind, byte[] bytes)
{
    public static readonly Payload Null = new(PayloadKind.Json, "null"u8.ToArray());

    [Id(0)]
    public PayloadKind Kind { get; } = kind;

    [Id(1)]
    public byte[] Bytes { get; } = bytes;
}
