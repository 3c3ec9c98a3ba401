using System.Buffers.Text;
using System.Text.Unicode;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>The first character of a packet. A binary message has none in a WebSocket frame, and <c>b</c> and base64 in long-polling.</summary>
static class EnginePacket
{
    public const byte Open = (byte)'0', Close = (byte)'1', Ping = (byte)'2', Pong = (byte)'3', Message = (byte)'4', Upgrade = (byte)'5', Noop = (byte)'6', Binary = (byte)'b';

    /// <summary>Between the packets of one payload of long-polling.</summary>
    public const byte Separator = 0x1e;

    /// <summary>
    /// Takes the next packet off a payload of long-polling. False at its end. A payload that is not UTF-8 is to be refused before
    /// (<see cref="Utf8.IsValid"/>).
    /// </summary>
    public static bool TryTake(ref ReadOnlyMemory<byte> payload, out ReadOnlyMemory<byte> packet)
    {
        if (payload.IsEmpty)
        {
            packet = default;
            return false;
        }

        int end = payload.Span.IndexOf(Separator);
        packet = end < 0 ? payload : payload[..end];
        payload = end < 0 ? default : payload[(end + 1)..];
        return true;
    }

    /// <summary>Decodes the base64 of a binary packet; null where it is none.</summary>
    public static byte[]? DecodeBinary(ReadOnlySpan<byte> base64)
    {
        byte[] bytes = new byte[Base64.GetMaxDecodedFromUtf8Length(base64.Length)];
        return Base64.DecodeFromUtf8(base64, bytes, out _, out int written) == System.Buffers.OperationStatus.Done ? bytes[..written] : null;
    }
}
