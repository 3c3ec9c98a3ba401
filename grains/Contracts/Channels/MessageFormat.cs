using System.Buffers.Binary;
using System.Text;

namespace OrleansRealtime.Channels;

/// <summary>
/// A message as bytes. docs/redis.md describes the format; the scripts rely on its first nine bytes, the version and the time. The
/// offset and the kind of delivery follow from where the bytes are kept.
/// </summary>
static class MessageFormat
{
    const byte Version = 1;
    const byte Binary = 1, From = 2, MessageId = 4, Key = 8, Mixed = 16;

    /// <summary>Version, time and flags.</summary>
    const int HeaderBytes = 10;

    /// <summary>A length takes at most this: seven bits a byte.</summary>
    const int LengthBytes = 5;

    /// <summary>What <see cref="Write"/> may need.</summary>
    public static int MaxBytes(Message message) =>
        HeaderBytes + MaxBytes(message.Event) + MaxBytes(message.From) + MaxBytes(message.MessageId) + MaxBytes(message.Key) + message.Data.Bytes.Length;

    /// <summary>Writes the message and returns how many bytes it took.</summary>
    public static int Write(Message message, Span<byte> target)
    {
        target[0] = Version;
        BinaryPrimitives.WriteInt64BigEndian(target[1..], message.Time);
        target[9] = (byte)(message.Data.Kind switch { PayloadKind.Binary => Binary, PayloadKind.Mixed => Mixed, _ => 0 }
            | (message.From is null ? 0 : From)
            | (message.MessageId is null ? 0 : MessageId)
            | (message.Key is null ? 0 : Key));
        var rest = target[HeaderBytes..];
        WriteText(message.Event, ref rest);
        WriteText(message.From, ref rest);
        WriteText(message.MessageId, ref rest);
        WriteText(message.Key, ref rest);
        message.Data.Bytes.CopyTo(rest);
        return target.Length - rest.Length + message.Data.Bytes.Length;
    }

    /// <exception cref="InvalidDataException">A version of this program that does not know the format, or not a message at all.</exception>
    public static Message Read(ReadOnlySpan<byte> source, long offset, Delivery delivery)
    {
        if (source.Length < HeaderBytes || source[0] != Version)
        {
            throw new InvalidDataException($"A message has format {(source.IsEmpty ? "none" : source[0])}, and this version reads {Version} only.");
        }

        long time = BinaryPrimitives.ReadInt64BigEndian(source[1..]);
        int flags = source[9];
        var rest = source[HeaderBytes..];
        string @event = ReadText(ref rest);
        string? from = (flags & From) != 0 ? ReadText(ref rest) : null;
        string? messageId = (flags & MessageId) != 0 ? ReadText(ref rest) : null;
        string? key = (flags & Key) != 0 ? ReadText(ref rest) : null;
        var data = new Payload((flags & Binary) != 0 ? PayloadKind.Binary : (flags & Mixed) != 0 ? PayloadKind.Mixed : PayloadKind.Json, rest.ToArray());
        return new(offset, time, @event, data, from, messageId, delivery, key);
    }

    static int MaxBytes(string? text) => text is null ? 0 : LengthBytes + Encoding.UTF8.GetMaxByteCount(text.Length);

    static void WriteText(string? text, ref Span<byte> rest)
    {
        if (text is null)
        {
            return;
        }

        uint length = (uint)Encoding.UTF8.GetByteCount(text);
        for (; length >= 0x80; length >>= 7)
        {
            rest[0] = (byte)(length | 0x80);
            rest = rest[1..];
        }

        rest[0] = (byte)length;
        rest = rest[1..];
        rest = rest[Encoding.UTF8.GetBytes(text, rest)..];
    }

    static string ReadText(ref ReadOnlySpan<byte> rest)
    {
        int length = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte part = rest[0];
            rest = rest[1..];
            length |= (part & 0x7F) << shift;
            if (part < 0x80)
            {
                break;
            }
        }

        string text = Encoding.UTF8.GetString(rest[..length]);
        rest = rest[length..];
        return text;
    }
}
