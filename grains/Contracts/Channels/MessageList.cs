using System.Buffers;
using System.Buffers.Binary;
using System.Collections;

namespace OrleansRealtime.Channels;

/// <summary>Messages that are sent together. Their bytes are made once, however many gateways they go to, and are read where somebody looks.</summary>
[GenerateSerializer, Immutable, SuppressReferenceTracking, Alias("OrleansRealtime.MessageList")]
public sealed class MessageList(IReadOnlyList<Message> messages) : IReadOnlyList<Message>
{
    /// <summary>Before each message: its length, its offset and its kind of delivery.</summary>
    const int HeaderBytes = sizeof(int) + sizeof(long) + 1;

    [NonSerialized]
    IReadOnlyList<Message>? _messages = messages;

    [NonSerialized]
    byte[]? _bytes;

    public int Count => Messages.Count;

    public Message this[int index] => Messages[index];

    public IEnumerator<Message> GetEnumerator() => Messages.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>What is sent.</summary>
    [Id(0)]
    internal byte[] Bytes
    {
        // Two threads may both write; they make the same bytes.
        get => _bytes ??= Write(Messages);
        set => _bytes = value;
    }

    IReadOnlyList<Message> Messages => _messages ??= Read(_bytes);

    static byte[] Write(IReadOnlyList<Message> messages)
    {
        int size = 0;
        foreach (var message in messages)
        {
            size += HeaderBytes + MessageFormat.MaxBytes(message);
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(size);
        int length = 0;
        foreach (var message in messages)
        {
            var rest = buffer.AsSpan(length);
            int bytes = MessageFormat.Write(message, rest[HeaderBytes..]);
            BinaryPrimitives.WriteInt32LittleEndian(rest, bytes);
            BinaryPrimitives.WriteInt64LittleEndian(rest[sizeof(int)..], message.Offset);
            rest[HeaderBytes - 1] = (byte)message.Delivery;
            length += HeaderBytes + bytes;
        }

        byte[] written = buffer.AsSpan(0, length).ToArray();
        ArrayPool<byte>.Shared.Return(buffer);
        return written;
    }

    static List<Message> Read(ReadOnlySpan<byte> rest)
    {
        var messages = new List<Message>();
        while (!rest.IsEmpty)
        {
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(rest);
            long offset = BinaryPrimitives.ReadInt64LittleEndian(rest[sizeof(int)..]);
            messages.Add(MessageFormat.Read(rest.Slice(HeaderBytes, bytes), offset, (Delivery)rest[HeaderBytes - 1]));
            rest = rest[(HeaderBytes + bytes)..];
        }

        return messages;
    }
}
