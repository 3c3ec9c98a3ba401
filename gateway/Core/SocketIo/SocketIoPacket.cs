using System.Text;
using System.Text.Json;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.SocketIo;

enum PacketType
{
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
}

/// <summary>
/// A packet of Socket.IO as a client wrote it: <c>type [attachments -] [namespace ,] [id] [JSON]</c>
/// (https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md, "Packet encoding").
/// </summary>
/// <param name="Namespace">Without a namespace it is <c>/</c>.</param>
/// <param name="Id">Of the acknowledgement that is wanted, or given; null for none.</param>
/// <param name="Json">Valid JSON of the form that the type demands; empty where there is none.</param>
readonly record struct SocketIoPacket(PacketType Type, int Attachments, string Namespace, long? Id, ReadOnlyMemory<byte> Json)
{
    /// <summary>Digits of an acknowledgement's id: more than JavaScript's integers have.</summary>
    const int MaxIdDigits = 16;

    /// <summary>Characters of a namespace.</summary>
    const int MaxNamespace = 64;

    /// <summary>Parses a packet; false where it is not one, or beyond the limits.</summary>
    /// <param name="text">Valid UTF-8.</param>
    public static bool TryParse(ReadOnlyMemory<byte> text, SocketIoOptions limits, out SocketIoPacket packet)
    {
        packet = default;
        var span = text.Span;
        if (span.IsEmpty || span[0] is < (byte)'0' or > (byte)'6')
        {
            return false;
        }

        var type = (PacketType)(span[0] - '0');
        int at = 1, attachments = 0;
        if (type is PacketType.BinaryEvent or PacketType.BinaryAck)
        {
            if (!TryReadNumber(span, ref at, 4, out long count) || count > limits.MaxAttachments || at >= span.Length || span[at++] != '-')
            {
                return false;
            }

            attachments = (int)count;
        }

        if (!TryReadNamespace(span, ref at, out string ns))
        {
            return false;
        }

        long? id = null;
        if (at < span.Length && char.IsAsciiDigit((char)span[at]))
        {
            if (!TryReadNumber(span, ref at, MaxIdDigits, out long number))
            {
                return false;
            }

            id = number;
        }

        packet = new(type, attachments, ns, id, text[at..]);
        return IsOfItsForm(packet, limits.MaxDepth);
    }

    static bool TryReadNumber(ReadOnlySpan<byte> span, ref int at, int maxDigits, out long number)
    {
        number = 0;
        int start = at;
        for (; at < span.Length && char.IsAsciiDigit((char)span[at]); at++)
        {
            if (at - start >= maxDigits)
            {
                return false;
            }

            number = (number * 10) + span[at] - '0';
        }

        return at > start;
    }

    static bool TryReadNamespace(ReadOnlySpan<byte> span, ref int at, out string ns)
    {
        ns = RoomName.DefaultNamespace;
        if (at >= span.Length || span[at] != '/')
        {
            return true;
        }

        int length = span[at..].IndexOf((byte)',');
        var name = length < 0 ? span[at..] : span.Slice(at, length);
        at += length < 0 ? name.Length : length + 1;
        if (name.Length > MaxNamespace)
        {
            return false;
        }

        ns = name.Length == 1 ? ns : Encoding.UTF8.GetString(name);
        return true;
    }

    static bool IsOfItsForm(in SocketIoPacket packet, int maxDepth) => packet.Type switch
    {
        PacketType.Connect => packet.Id is null && (packet.Json.IsEmpty || IsJson(packet.Json.Span, maxDepth, JsonTokenType.StartObject)),
        PacketType.Disconnect => packet.Id is null && packet.Json.IsEmpty,
        PacketType.Ack or PacketType.BinaryAck => packet.Id is not null && IsJson(packet.Json.Span, maxDepth, JsonTokenType.StartArray),
        PacketType.Event or PacketType.BinaryEvent => IsJson(packet.Json.Span, maxDepth, JsonTokenType.StartArray),
        _ => false,
    };

    static bool IsJson(ReadOnlySpan<byte> json, int maxDepth, JsonTokenType begin)
    {
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = maxDepth });
            if (!reader.Read() || reader.TokenType != begin)
            {
                return false;
            }

            reader.Skip();
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
