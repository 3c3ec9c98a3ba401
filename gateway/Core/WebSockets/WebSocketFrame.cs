using System.Buffers.Binary;
using System.Text;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>Frames from server to client: whole messages, not masked (RFC 6455, section 5.2).</summary>
static class WebSocketFrame
{
    /// <summary>Bytes that a header may have.</summary>
    public const int MaxHeader = 10;

    const byte Final = 0x80, TextOpcode = 1, BinaryOpcode = 2, CloseOpcode = 8;

    /// <summary>Writes the header of a message of one frame. Returns its length.</summary>
    public static int WriteHeader(Span<byte> header, bool binary, int payload)
    {
        header[0] = (byte)(Final | (binary ? BinaryOpcode : TextOpcode));
        switch (payload)
        {
            case < 126:
                header[1] = (byte)payload;
                return 2;
            case <= ushort.MaxValue:
                header[1] = 126;
                BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)payload);
                return 4;
            default:
                header[1] = 127;
                BinaryPrimitives.WriteUInt64BigEndian(header[2..], (ulong)payload);
                return 10;
        }
    }

    /// <summary>The payload with its header before it.</summary>
    public static byte[] Of(ReadOnlySpan<byte> payload, bool binary)
    {
        Span<byte> header = stackalloc byte[MaxHeader];
        int length = WriteHeader(header, binary, payload.Length);
        byte[] frame = new byte[length + payload.Length];
        header[..length].CopyTo(frame);
        payload.CopyTo(frame.AsSpan(length));
        return frame;
    }

    /// <summary>The closing frame: a status code, then the reason in UTF-8 (RFC 6455, section 5.5.1).</summary>
    /// <param name="reason">At most 123 bytes.</param>
    public static byte[] Close(int status, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(reason);
        return [Final | CloseOpcode, (byte)(text.Length + 2), (byte)(status >> 8), (byte)status, .. text];
    }

    /// <summary>Takes the next message off frames that were written here. False at their end.</summary>
    public static bool TryTake(ref ReadOnlyMemory<byte> frames, out bool binary, out ReadOnlyMemory<byte> payload)
    {
        if (frames.IsEmpty)
        {
            (binary, payload) = (false, default);
            return false;
        }

        var header = frames.Span;
        binary = (header[0] & 0xf) == BinaryOpcode;
        (int start, int length) = header[1] switch
        {
            126 => (4, BinaryPrimitives.ReadUInt16BigEndian(header[2..])),
            127 => (10, (int)BinaryPrimitives.ReadUInt64BigEndian(header[2..])),
            var small => (2, small),
        };
        payload = frames.Slice(start, length);
        frames = frames[(start + length)..];
        return true;
    }
}
