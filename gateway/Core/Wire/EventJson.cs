using System.Buffers.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>The JSON of events, the same in every transport (docs/api.md). A message's JSON data is written as its publisher wrote it.</summary>
static class EventJson
{
    public static readonly JsonWriterOptions WriterOptions = new()
    {
        // Not for HTML: readable text instead of \u escapes. Raw data was validated when it came in.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>The name of the event, as SignalR calls it.</summary>
    public static string TargetOf(ServerEvent serverEvent) => serverEvent switch
    {
        MessageReceived { Channel.Kind: ChannelKind.User } => "direct",
        MessageReceived { Channel.Kind: ChannelKind.Namespace } => "notification",
        MessageReceived => "message",
        PresenceReceived => "presence",
        GapDetected => "gap",
        Emitted => "event",
        Requested => "requested",
        _ => "closing",
    };

    public static void Write(Utf8JsonWriter writer, ServerEvent serverEvent)
    {
        switch (serverEvent)
        {
            case MessageReceived message:
                WriteMessage(writer, message);
                break;
            case PresenceReceived presence:
                writer.WriteStartObject();
                writer.WriteString("room"u8, presence.Room.ToString());
                WriteStrings(writer, "joined", presence.Joined);
                WriteStrings(writer, "left", presence.Left);
                writer.WriteNumber("members"u8, presence.Members);
                writer.WriteEndObject();
                break;
            case GapDetected gap:
                writer.WriteStartObject();
                WriteChannel(writer, gap.Channel);
                WriteGap(writer, gap);
                writer.WriteEndObject();
                break;
            case Emitted emitted:
                writer.WriteStartObject();
                WriteEvent(writer, emitted.Event, emitted.Data, null);
                break;
            case Requested requested:
                writer.WriteStartObject();
                writer.WriteNumber("id"u8, requested.Id);
                WriteEvent(writer, requested.Event, requested.Data, requested.From);
                break;
            case ConnectionClosing { Reason: var reason }:
                writer.WriteStartObject();
                writer.WriteString("reason"u8, reason.Name);
                writer.WriteNumber("code"u8, reason.Code);
                writer.WriteBoolean("reconnect"u8, reason.Reconnect);
                writer.WriteString("message"u8, reason.Text);
                writer.WriteEndObject();
                break;
        }
    }

    public static void WriteMessage(Utf8JsonWriter writer, MessageReceived received)
    {
        var message = received.Message;
        writer.WriteStartObject();
        WriteChannel(writer, received.Channel);
        writer.WriteString("event"u8, message.Event);
        switch (message.Data.Kind)
        {
            case PayloadKind.Json:
                writer.WritePropertyName("data"u8);
                writer.WriteRawValue(message.Data.Bytes, skipInputValidation: true);
                break;
            case PayloadKind.Binary:
                writer.WriteBase64String("data"u8, message.Data.Bytes);
                writer.WriteString("encoding"u8, "base64"u8);
                break;
            default:
                writer.WritePropertyName("data"u8);
                BinaryPlaceholders.WriteAsBase64(writer, message.Data);
                writer.WriteString("encoding"u8, "mixed"u8);
                break;
        }

        if (message.From is not null)
        {
            writer.WriteString("from"u8, message.From);
        }

        switch (message.Delivery)
        {
            case Delivery.Durable:
                writer.WriteNumber("offset"u8, message.Offset);
                writer.WriteString("epoch"u8, received.Epoch);
                WriteCursor(writer, received.Epoch, message.Offset);
                break;
            case Delivery.Latest:
                writer.WriteString("delivery"u8, "latest"u8);
                writer.WriteString("key"u8, message.Key);
                writer.WriteNumber("revision"u8, message.Offset);
                break;
            default:
                writer.WriteString("delivery"u8, "transient"u8);
                break;
        }

        WriteTime(writer, "time"u8, message.Time);
        if (message.MessageId is not null)
        {
            writer.WriteString("messageId"u8, message.MessageId);
        }

        writer.WriteEndObject();
    }

    /// <summary>The first argument; null where there is none. Binary data in it is base64.</summary>
    public static void WriteArgument(Utf8JsonWriter writer, EventData data)
    {
        if (data.Count == 0)
        {
            writer.WriteNullValue();
        }
        else if (data.Attachments.Count == 0)
        {
            writer.WriteRawValue(data[0].Span, skipInputValidation: true);
        }
        else
        {
            using var argument = JsonDocument.Parse(data[0]);
            WriteElement(writer, argument.RootElement, data);
        }
    }

    /// <summary>The rest of an object that has been begun.</summary>
    static void WriteEvent(Utf8JsonWriter writer, string name, EventData data, string? from)
    {
        writer.WriteString("event"u8, name);
        if (data.Count > 0)
        {
            writer.WritePropertyName("data"u8);
            WriteArgument(writer, data);
        }

        if (from is not null)
        {
            writer.WriteString("from"u8, from);
        }

        writer.WriteEndObject();
    }

    static void WriteElement(Utf8JsonWriter writer, JsonElement element, EventData data)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when data.FindAttachment(element) is { } bytes:
                writer.WriteBase64StringValue(bytes.Span);
                break;
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in element.EnumerateObject())
                {
                    writer.WritePropertyName(property.Name);
                    WriteElement(writer, property.Value, data);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    WriteElement(writer, item, data);
                }

                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }

    /// <summary>Why there is a gap, and where it goes on.</summary>
    public static void WriteGap(Utf8JsonWriter writer, GapDetected gap)
    {
        writer.WriteString("reason"u8, gap.Reason);
        writer.WriteString("cursor"u8, gap.Position.ToString());
        writer.WriteBoolean("recovered"u8, false);
    }

    static void WriteChannel(Utf8JsonWriter writer, ChannelId channel)
    {
        if (channel.Kind == ChannelKind.Room)
        {
            writer.WriteString("room"u8, RoomName.FromQualified(channel.Key).ToString());
        }
        else if (channel.Kind == ChannelKind.Namespace)
        {
            writer.WriteString("namespace"u8, channel.Key);
        }
    }

    static void WriteCursor(Utf8JsonWriter writer, string epoch, long offset)
    {
        Span<char> text = stackalloc char[Epoch.Length + 21];
        epoch.CopyTo(text);
        text[epoch.Length] = ':';
        offset.TryFormat(text[(epoch.Length + 1)..], out int length, provider: System.Globalization.CultureInfo.InvariantCulture);
        writer.WriteString("cursor"u8, text[..(epoch.Length + 1 + length)]);
    }

    /// <summary>ISO 8601 to the millisecond.</summary>
    public static void WriteTime(Utf8JsonWriter writer, ReadOnlySpan<byte> name, long milliseconds)
    {
        // The runtime writes this form much faster than one of our own, but with four digits more.
        Span<byte> text = stackalloc byte[28];
        Utf8Formatter.TryFormat(DateTime.UnixEpoch.AddMilliseconds(milliseconds), text, out _, 'O');
        text[23] = (byte)'Z';
        writer.WriteString(name, text[..24]);
    }

    static void WriteStrings(Utf8JsonWriter writer, string name, IReadOnlyList<string> strings)
    {
        writer.WriteStartArray(name);
        foreach (string text in strings)
        {
            writer.WriteStringValue(text);
        }

        writer.WriteEndArray();
    }
}
