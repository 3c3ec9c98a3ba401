using System.Buffers;
using System.Buffers.Binary;
using StackExchange.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>What <see cref="ChannelScripts.Append"/> is told of a batch. All messages are written into one buffer.</summary>
readonly struct AppendArguments
{
    /// <summary>Arguments before the messages.</summary>
    const int Fixed = 6;

    readonly byte[] _buffer;

    AppendArguments(RedisValue[] values, byte[] buffer, bool hasLatest)
    {
        Values = values;
        HasLatest = hasLatest;
        _buffer = buffer;
    }

    public RedisValue[] Values { get; }

    public bool HasLatest { get; }

    /// <summary>Returns null where the batch does not even follow itself: offsets with a hole, or revisions that do not rise.</summary>
    public static AppendArguments? TryCreate(string epoch, IReadOnlyList<Message> messages)
    {
        int durable = 0, size = 0;
        long offset = 0, firstRevision = 0, revision = 0;
        foreach (var message in messages)
        {
            size = checked(size + sizeof(uint) + MessageFormat.MaxBytes(message));
            bool isLatest = message.Delivery == Delivery.Latest;
            if (isLatest ? message.Offset <= revision : durable > 0 && message.Offset != offset + 1)
            {
                return null;
            }

            if (isLatest)
            {
                firstRevision = firstRevision == 0 ? message.Offset : firstRevision;
                revision = message.Offset;
            }
            else
            {
                durable++;
                offset = message.Offset;
            }
        }

        var values = new RedisValue[Fixed + durable + (3 * (messages.Count - durable))];
        byte[] buffer = ArrayPool<byte>.Shared.Rent(size);
        values[0] = epoch;
        values[1] = offset - durable;
        values[2] = durable;
        values[3] = firstRevision;
        values[4] = revision;
        values[5] = buffer.AsMemory(0, durable * sizeof(uint));
        Fill(values, buffer, messages, durable);
        return new(values, buffer, revision > 0);
    }

    /// <summary>Nobody uses <see cref="Values"/> any more.</summary>
    public void ReturnBuffer() => ArrayPool<byte>.Shared.Return(_buffer);

    static void Fill(RedisValue[] values, byte[] buffer, IReadOnlyList<Message> messages, int durable)
    {
        int sizes = 0, blobs = durable * sizeof(uint), next = Fixed, nextLatest = Fixed + durable;
        foreach (var message in messages)
        {
            int length = MessageFormat.Write(message, buffer.AsSpan(blobs));
            RedisValue blob = buffer.AsMemory(blobs, length);
            blobs += length;
            if (message.Delivery == Delivery.Latest)
            {
                values[nextLatest++] = message.Key ?? "";
                values[nextLatest++] = message.Offset;
                values[nextLatest++] = blob;
            }
            else
            {
                BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(sizes), (uint)message.Size);
                sizes += sizeof(uint);
                values[next++] = blob;
            }
        }
    }
}
