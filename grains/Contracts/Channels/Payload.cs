using System.Buffers.Binary;
using System.Text.Json;

namespace OrleansRealtime.Channels;

/// <summary>What the bytes of a <see cref="Payload"/> are.</summary>
public enum PayloadKind
{
    /// <summary>One JSON value in UTF-8, as the publisher wrote it.</summary>
    Json,

    /// <summary>Opaque bytes.</summary>
    Binary,

    /// <summary>One JSON value in UTF-8 that has <c>{"_placeholder":true,"num":n}</c> where binary data belongs, and that data: see <see cref="Payload.Mixed"/>.</summary>
    Mixed,
}

/// <summary>The application's data of a message. It is passed through as it came; nobody on the way may change the bytes.</summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.Payload")]
public sealed class Payload(PayloadKind kind, byte[] bytes)
{
    public static readonly Payload Null = new(PayloadKind.Json, "null"u8.ToArray());

    /// <summary>
    /// What server code publishes: an object, which is written as JSON with camel-case names; or <c>byte[]</c>, <see cref="ReadOnlyMemory{T}"/> of bytes, or a
    /// payload, which are passed on as they are.
    /// </summary>
    public static Payload Of(object? data) => data switch
    {
        null => Null,
        Payload payload => payload,
        byte[] binary => new(PayloadKind.Binary, binary),
        ReadOnlyMemory<byte> binary => new(PayloadKind.Binary, binary.ToArray()),
        _ => new(PayloadKind.Json, JsonSerializer.SerializeToUtf8Bytes(data, data.GetType(), JsonSerializerOptions.Web)),
    };

    [Id(0)]
    public PayloadKind Kind { get; } = kind;

    [Id(1)]
    public byte[] Bytes { get; } = bytes;

    /// <summary>JSON with binary parts. Its bytes: the number of parts, then for the JSON and each part its length and itself; numbers are 32 bits, little-endian.</summary>
    public static Payload Mixed(ReadOnlySpan<byte> json, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        byte[] bytes = new byte[sizeof(int) + sizeof(int) + json.Length + parts.Sum(p => sizeof(int) + p.Length)];
        var rest = bytes.AsSpan();
        BinaryPrimitives.WriteInt32LittleEndian(rest, parts.Count);
        rest = rest[sizeof(int)..];
        Write(json, ref rest);
        foreach (var part in parts)
        {
            Write(part.Span, ref rest);
        }

        return new(PayloadKind.Mixed, bytes);

        static void Write(ReadOnlySpan<byte> part, ref Span<byte> rest)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rest, part.Length);
            part.CopyTo(rest[sizeof(int)..]);
            rest = rest[(sizeof(int) + part.Length)..];
        }
    }

    /// <summary>The JSON and the binary parts of a <see cref="PayloadKind.Mixed"/> payload.</summary>
    public (ReadOnlyMemory<byte> Json, IReadOnlyList<ReadOnlyMemory<byte>> Parts) ReadMixed()
    {
        var rest = Bytes.AsMemory();
        int count = BinaryPrimitives.ReadInt32LittleEndian(rest.Span);
        rest = rest[sizeof(int)..];
        var json = Read(ref rest);
        var parts = new ReadOnlyMemory<byte>[count];
        for (int i = 0; i < count; i++)
        {
            parts[i] = Read(ref rest);
        }

        return (json, parts);

        static ReadOnlyMemory<byte> Read(ref Memory<byte> rest)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(rest.Span);
            var part = rest.Slice(sizeof(int), length);
            rest = rest[(sizeof(int) + length)..];
            return part;
        }
    }
}
