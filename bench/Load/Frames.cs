using System.Buffers.Binary;
using System.Text;

namespace OrleansRealtime.Bench;

/// <summary>WebSocket frames (RFC 6455 section 5.2).</summary>
static class Frames
{
    public const int Text = 1, Close = 8, Ping = 9, Pong = 10;

    /// <summary>A client's frame. Its mask is zero, so that its text can be patched in place.</summary>
    public static byte[] Of(string text, int opcode = Text)
    {
        byte[] payload = Encoding.UTF8.GetBytes(text);
        byte[] head = payload.Length < 126
            ? [(byte)(0x80 | opcode), (byte)(0x80 | payload.Length)]
            : [(byte)(0x80 | opcode), 0x80 | 126, (byte)(payload.Length >> 8), (byte)payload.Length];
        return [.. head, 0, 0, 0, 0, .. payload];
    }

    /// <summary>Takes one of a server's frames off the front. False where it is not all there yet.</summary>
    public static bool TryTake(ref ReadOnlySpan<byte> bytes, out int opcode, out bool final, out ReadOnlySpan<byte> payload)
    {
        (opcode, final) = (0, false);
        payload = default;
        if (bytes.Length < 2)
        {
            return false;
        }

        int head = (bytes[1] & 127) switch { 126 => 4, 127 => 10, _ => 2 };
        if (bytes.Length < head)
        {
            return false;
        }

        long length = head switch
        {
            4 => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            10 => BinaryPrimitives.ReadInt64BigEndian(bytes[2..]),
            _ => bytes[1] & 127,
        };
        if (bytes.Length - head < length)
        {
            return false;
        }

        (opcode, final) = (bytes[0] & 15, (bytes[0] & 128) != 0);
        payload = bytes.Slice(head, (int)length);
        bytes = bytes[(head + (int)length)..];
        return true;
    }
}
