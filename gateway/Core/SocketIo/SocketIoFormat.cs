using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Wire;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>
/// What a <see cref="SocketIoConnection"/> queues: the parts of packets, each with what the connection has still to add. Of one event for many
/// connections all but that is shared.
/// <para>
/// A part is its kind (1 byte), the number of binary attachments that follow as parts of their own (1 byte), its length (4 bytes, little-endian) and its bytes.
/// </para>
/// </summary>
static class SocketIoPart
{
    /// <summary>A whole packet of text.</summary>
    public const byte Packet = 0;

    /// <summary>The arguments of an event, from the opening bracket on and without the closing one. The connection puts the type and the namespace before them, and its offset after them.</summary>
    public const byte Event = 1;

    /// <summary>As an event, with the id of the acknowledgement (8 bytes, little-endian) before it. It gets no offset: the client puts its callback in that place.</summary>
    public const byte Question = 4;

    /// <summary>A binary attachment.</summary>
    public const byte Attachment = 2;

    /// <summary>A user's id: the next part, with its attachments, is for everybody but him.</summary>
    public const byte NotFor = 3;

    const int Header = 6;

    public static void Write(IBufferWriter<byte> to, byte kind, ReadOnlySpan<byte> bytes, int attachments = 0)
    {
        var header = to.GetSpan(Header);
        header[0] = kind;
        header[1] = (byte)attachments;
        BinaryPrimitives.WriteInt32LittleEndian(header[2..], bytes.Length);
        to.Advance(Header);
        to.Write(bytes);
    }

    public static bool TryTake(ref ReadOnlySpan<byte> parts, out byte kind, out int attachments, out ReadOnlySpan<byte> bytes)
    {
        if (parts.IsEmpty)
        {
            kind = 0;
            attachments = 0;
            bytes = default;
            return false;
        }

        (kind, attachments) = (parts[0], parts[1]);
        int length = BinaryPrimitives.ReadInt32LittleEndian(parts[2..]);
        bytes = parts.Slice(Header, length);
        parts = parts[(Header + length)..];
        return true;
    }
}

/// <summary>A channel's place in a connection's offset has been settled, or is of no interest any more. Clients do not see it.</summary>
/// <param name="Position">Null where the channel has been left.</param>
sealed record ChannelPositioned(ChannelId Channel, Cursor? Position) : ServerEvent;

/// <summary>Events as clients of Socket.IO know them. docs/socketio.md lists them.</summary>
sealed class SocketIoFormat : WireFormat
{
    public static readonly SocketIoFormat Instance = new();

    /// <summary>Names that a member cannot make up: what socket.io-client keeps for itself, and the gateway's own.</summary>
    static readonly FrozenSet<string> s_reserved = FrozenSet.ToFrozenSet(
    [
        .. SocketIoEventPacket.Reserved,
        "message:new", "direct:message", "notification", "user:joined", "user:left", "room:members", "room:joined", "room:left", "request", "gap", "error", "closing",
    ]);

    /// <summary>The parts of an event that a thread is encoding.</summary>
    [ThreadStatic]
    static ArrayBufferWriter<byte>? t_parts;

    protected internal override byte[] Encode(ServerEvent serverEvent)
    {
        var to = t_parts ??= new(1024);
        to.ResetWrittenCount();
        switch (serverEvent)
        {
            case MessageReceived { Channel.Kind: ChannelKind.Room } message:
                WriteRoomMessage(to, message, RoomName.FromQualified(message.Channel.Key).Name);
                break;
            case MessageReceived { Channel.Kind: ChannelKind.User } direct:
                WriteMessage(to, "direct:message", direct, null, direct.Message.Event == "message" ? null : direct.Message.Event);
                break;
            case MessageReceived notification:
                WriteData(to, "notification", notification, info =>
                {
                    info.WriteString("namespace"u8, notification.Channel.Key);
                    info.WriteString("event"u8, notification.Message.Event);
                });
                break;
            case PresenceReceived presence:
                WritePresence(to, presence);
                break;
            case ChannelPositioned:
                break;
            case Emitted { Event: var name, Data: var data }:
                WriteEvent(to, name, data);
                break;
            case GapDetected gap:
                WriteSimple(to, "gap", json => WriteGap(json, gap));
                break;
            case ConnectionClosing closing:
                WriteSimple(to, "closing", json => EventJson.Write(json, closing));
                break;
        }

        return to.WrittenSpan.ToArray();
    }

    /// <summary>An event of the application's, with all its arguments.</summary>
    /// <param name="id">Where the client is to answer it.</param>
    public static void WriteEvent(IBufferWriter<byte> to, string name, EventData data, long? id = null)
    {
        var text = new ArrayBufferWriter<byte>(64 + data.Json.Length);
        if (id is { } asked)
        {
            BinaryPrimitives.WriteInt64LittleEndian(text.GetSpan(sizeof(long)), asked);
            text.Advance(sizeof(long));
        }

        text.Write("[\""u8);
        text.Write(JsonEncodedText.Encode(name, EventJson.WriterOptions.Encoder).EncodedUtf8Bytes);
        text.Write("\""u8);
        if (data.Count > 0)
        {
            text.Write(","u8);
            text.Write(data.Json.Span[1..^1]);
        }

        Write(to, text.WrittenSpan, data.Attachments, id is null ? SocketIoPart.Event : SocketIoPart.Question);
    }

    /// <summary>An event with one object.</summary>
    public static void WriteSimple(IBufferWriter<byte> to, string name, Action<Utf8JsonWriter> write)
    {
        var json = JsonBuffer.BeginValue();
        json.WriteStartArray();
        json.WriteStringValue(name);
        write(json);
        json.Flush();
        SocketIoPart.Write(to, SocketIoPart.Event, JsonBuffer.Written);
    }

    static void WriteRoomMessage(ArrayBufferWriter<byte> to, MessageReceived received, string room)
    {
        string name = received.Message.Event;

        // A job's 'error' is of the server's own making, and has the form of the gateway's.
        bool isJobError = name == JobEvents.Error && JobId.IsRoom(RoomName.FromQualified(received.Channel.Key), out _);
        if (name == "message" || (s_reserved.Contains(name) && !isJobError))
        {
            WriteMessage(to, "message:new", received, room, name == "message" ? null : name);
            return;
        }

        if (name == "binary" && received.Message.From is { } from)
        {
            SocketIoPart.Write(to, SocketIoPart.NotFor, Encoding.UTF8.GetBytes(from));
        }

        WriteData(to, name, received, info =>
        {
            info.WriteString("roomId"u8, room);
            info.WriteString("from"u8, received.Message.From);
        });
    }

    /// <summary><c>[name, {from, message, timestamp, …}</c></summary>
    static void WriteMessage(ArrayBufferWriter<byte> to, string name, MessageReceived received, string? room, string? @event)
    {
        var message = received.Message;
        var json = JsonBuffer.BeginValue();
        json.WriteStartArray();
        json.WriteStringValue(name);
        json.WriteStartObject();
        json.WriteString("from"u8, message.From);
        json.WritePropertyName("message"u8);
        var attachments = WritePayload(json, message.Data);
        EventJson.WriteTime(json, "timestamp"u8, message.Time);
        if (room is not null)
        {
            json.WriteString("roomId"u8, room);
        }

        if (@event is not null)
        {
            json.WriteString("event"u8, @event);
        }

        WritePlace(json, message);
        json.WriteEndObject();
        json.Flush();
        Write(to, JsonBuffer.Written, attachments);
    }

    /// <summary><c>[name, data, {…, timestamp, …}</c></summary>
    static void WriteData(ArrayBufferWriter<byte> to, string name, MessageReceived received, Action<Utf8JsonWriter> writeInfo)
    {
        var message = received.Message;
        var json = JsonBuffer.BeginValue();
        json.WriteStartArray();
        json.WriteStringValue(name);
        var attachments = WritePayload(json, message.Data);
        json.WriteStartObject();
        writeInfo(json);
        EventJson.WriteTime(json, "timestamp"u8, message.Time);
        WritePlace(json, message);
        json.WriteEndObject();
        json.Flush();
        Write(to, JsonBuffer.Written, attachments);
    }

    static void WritePlace(Utf8JsonWriter json, Message message)
    {
        if (message.Delivery == Delivery.Durable)
        {
            json.WriteNumber("offset"u8, message.Offset);
        }
        else if (message.Delivery == Delivery.Latest)
        {
            json.WriteString("key"u8, message.Key);
            json.WriteNumber("revision"u8, message.Offset);
        }

        if (message.MessageId is not null)
        {
            json.WriteString("messageId"u8, message.MessageId);
        }
    }

    static IReadOnlyList<ReadOnlyMemory<byte>> WritePayload(Utf8JsonWriter json, Payload data)
    {
        switch (data.Kind)
        {
            case PayloadKind.Json:
                json.WriteRawValue(data.Bytes, skipInputValidation: true);
                return [];
            case PayloadKind.Binary:
                json.WriteRawValue("{\"_placeholder\":true,\"num\":0}"u8, skipInputValidation: true);
                return [data.Bytes];
            default:
                var (mixed, parts) = data.ReadMixed();
                json.WriteRawValue(mixed.Span, skipInputValidation: true);
                return parts;
        }
    }

    static void WritePresence(ArrayBufferWriter<byte> to, PresenceReceived presence)
    {
        if (presence.Joined.Count + presence.Left.Count == 0)
        {
            WriteSimple(to, "room:members", json => WriteMembers(json, presence));
            return;
        }

        foreach (string user in presence.Joined)
        {
            WriteUser(to, "user:joined", user, presence);
        }

        foreach (string user in presence.Left)
        {
            WriteUser(to, "user:left", user, presence);
        }
    }

    static void WriteUser(ArrayBufferWriter<byte> to, string name, string user, PresenceReceived presence)
    {
        SocketIoPart.Write(to, SocketIoPart.NotFor, Encoding.UTF8.GetBytes(user));
        WriteSimple(to, name, json =>
        {
            json.WriteStringValue(user);
            WriteMembers(json, presence);
        });
    }

    static void WriteGap(Utf8JsonWriter json, GapDetected gap)
    {
        json.WriteStartObject();
        if (gap.Channel.Kind == ChannelKind.Room)
        {
            json.WriteString("roomId"u8, RoomName.FromQualified(gap.Channel.Key).Name);
        }

        EventJson.WriteGap(json, gap);
        json.WriteEndObject();
    }

    static void WriteMembers(Utf8JsonWriter json, PresenceReceived presence)
    {
        json.WriteStartObject();
        json.WriteString("roomId"u8, presence.Room.Name);
        json.WriteNumber("members"u8, presence.Members);
        json.WriteEndObject();
    }

    public static void Write(IBufferWriter<byte> to, ReadOnlySpan<byte> text, IReadOnlyList<ReadOnlyMemory<byte>> attachments, byte kind = SocketIoPart.Event)
    {
        SocketIoPart.Write(to, kind, text, attachments.Count);
        foreach (var attachment in attachments)
        {
            SocketIoPart.Write(to, SocketIoPart.Attachment, attachment.Span);
        }
    }
}
