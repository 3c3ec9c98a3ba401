using System.Buffers.Binary;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>Frames from server to client: whole messages, not masked (RFC 6455, section 5.2).</summary>
static class WebSocketFrame
{
    /// <summary>Bytes that a header may have.</summary>
    public const int MaxHeader = 10;

    const byte Final = 0x80, Text = 1, Binary = 2;

    /// <summary>Writes the header of a message of one frame. Returns its length.</summary>
    public static int WriteHeader(Span<byte> header, bool binary, int payload)
    {
        header[0] = (byte)(Final | (binary ? Binary : Text));
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
}
