using System.Buffers;
using System.Text;
using System.Text.Json;
using MessagePack;
using MessagePack.Formatters;
using MessagePack.Resolvers;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>
/// The MessagePack of requests and results: maps with the names that the JSON has. JSON data is translated; binary data stays binary.
/// </summary>
static class WireMessagePack
{
    public static readonly MessagePackSerializerOptions Options = MessagePackSerializerOptions.Standard
        .WithResolver(CompositeResolver.Create(
            [new PayloadFormatter(), new MessageFormatter(), new CursorArgumentFormatter(), new TimeFormatter(), new TimeOffsetFormatter(), new EventDataFormatter()],
            [CamelCaseResolver.Instance]))
        .WithSecurity(MessagePackSecurity.UntrustedData);

    /// <summary>Writes an event's body, as <see cref="EventJson"/> does.</summary>
    public static void Write(ref MessagePackWriter writer, ServerEvent serverEvent)
    {
        if (serverEvent is MessageReceived { Message.Data.Kind: PayloadKind.Binary } received)
        {
            WriteBinaryMessage(ref writer, received);
            return;
        }

        if (serverEvent is Emitted emitted)
        {
            writer.WriteMapHeader(emitted.Data.Count > 0 ? 2 : 1);
            WriteEvent(ref writer, emitted.Event, emitted.Data);
            return;
        }

        if (serverEvent is Requested requested)
        {
            writer.WriteMapHeader(2 + (requested.Data.Count > 0 ? 1 : 0) + (requested.From is null ? 0 : 1));
            writer.Write("id");
            writer.Write(requested.Id);
            WriteEvent(ref writer, requested.Event, requested.Data);
            if (requested.From is not null)
            {
                writer.Write("from");
                writer.Write(requested.From);
            }

            return;
        }

        JsonBuffer.Begin();
        JsonBuffer.Append(serverEvent);
        MessagePackSerializer.ConvertFromJson(Encoding.UTF8.GetString(JsonBuffer.Written), ref writer, Options);
    }

    /// <summary>The rest of a map that has been begun.</summary>
    static void WriteEvent(ref MessagePackWriter writer, string name, EventData data)
    {
        writer.Write("event");
        writer.Write(name);
        if (data.Count > 0)
        {
            writer.Write("data");
            WriteArgument(ref writer, data);
        }
    }

    /// <summary>The first argument; nil where there is none.</summary>
    static void WriteArgument(ref MessagePackWriter writer, EventData data)
    {
        if (data.Count == 0)
        {
            writer.WriteNil();
            return;
        }

        using var argument = JsonDocument.Parse(data[0]);
        WriteElement(ref writer, argument.RootElement, data);
    }

    static void WriteElement(ref MessagePackWriter writer, JsonElement element, EventData data)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when data.FindAttachment(element) is { } bytes:
                writer.Write(bytes.Span);
                break;
            case JsonValueKind.Object:
                writer.WriteMapHeader(element.GetPropertyCount());
                foreach (var property in element.EnumerateObject())
                {
                    writer.Write(property.Name);
                    WriteElement(ref writer, property.Value, data);
                }

                break;
            case JsonValueKind.Array:
                writer.WriteArrayHeader(element.GetArrayLength());
                foreach (var item in element.EnumerateArray())
                {
                    WriteElement(ref writer, item, data);
                }

                break;
            case JsonValueKind.String:
                writer.Write(element.GetString());
                break;
            case JsonValueKind.Number when element.TryGetInt64(out long integer):
                writer.Write(integer);
                break;
            case JsonValueKind.Number when element.TryGetUInt64(out ulong large):
                writer.Write(large);
                break;
            case JsonValueKind.Number:
                writer.Write(element.GetDouble());
                break;
            case JsonValueKind.Null:
                writer.WriteNil();
                break;
            default:
                writer.Write(element.GetBoolean());
                break;
        }
    }

    /// <summary>A message whose data has no JSON form: everything but the data is translated, the data is written as it is.</summary>
    static void WriteBinaryMessage(ref MessagePackWriter writer, MessageReceived received)
    {
        JsonBuffer.Begin();
        JsonBuffer.Append(received with { Message = received.Message with { Data = Payload.Null } });
        byte[] translated = MessagePackSerializer.ConvertFromJson(Encoding.UTF8.GetString(JsonBuffer.Written), Options);
        var reader = new MessagePackReader(translated);
        int fields = reader.ReadMapHeader();
        writer.WriteMapHeader(fields);
        for (int i = 0; i < fields; i++)
        {
            string name = reader.ReadString()!;
            writer.Write(name);
            var value = reader.ReadRaw();
            if (name == "data")
            {
                writer.Write(received.Message.Data.Bytes);
            }
            else
            {
                writer.WriteRaw(value);
            }
        }
    }

    /// <summary>Data that a client sent: binary stays binary, all else becomes JSON, so that JSON clients can read it.</summary>
    sealed class PayloadFormatter : IMessagePackFormatter<Payload?>
    {
        public Payload Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options)
        {
            if (reader.NextMessagePackType == MessagePackType.Binary)
            {
                return new(PayloadKind.Binary, reader.ReadBytes()?.ToArray() ?? []);
            }

            var json = new StringBuilder();
            using var text = new StringWriter(json);
            MessagePackSerializer.ConvertToJson(ref reader, text, options);
            return new(PayloadKind.Json, Encoding.UTF8.GetBytes(json.ToString()));
        }

        public void Serialize(ref MessagePackWriter writer, Payload? value, MessagePackSerializerOptions options) =>
            throw new NotSupportedException("The server does not send bare data.");
    }

    sealed class MessageFormatter : IMessagePackFormatter<MessageReceived?>
    {
        public MessageReceived Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) =>
            throw new NotSupportedException("The server does not read what it sends.");

        public void Serialize(ref MessagePackWriter writer, MessageReceived? value, MessagePackSerializerOptions options) => Write(ref writer, value!);
    }

    /// <summary>What a handler has answered: its first argument.</summary>
    sealed class EventDataFormatter : IMessagePackFormatter<EventData?>
    {
        public EventData Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) =>
            throw new NotSupportedException("Clients send one argument, which is a payload.");

        public void Serialize(ref MessagePackWriter writer, EventData? value, MessagePackSerializerOptions options) =>
            WriteArgument(ref writer, value ?? EventData.Empty);
    }

    sealed class CursorArgumentFormatter : IMessagePackFormatter<CursorArgument>
    {
        public CursorArgument Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options)
        {
            if (reader.NextMessagePackType != MessagePackType.Map)
            {
                return new(reader.TryReadNil() ? null : reader.NextMessagePackType == MessagePackType.String ? reader.ReadString() : Skipped(ref reader));
            }

            string? epoch = null, offset = null;
            for (int fields = reader.ReadMapHeader(); fields > 0; fields--)
            {
                switch (reader.ReadString())
                {
                    case "epoch" or "Epoch" when reader.NextMessagePackType == MessagePackType.String:
                        epoch = reader.ReadString();
                        break;
                    case "offset" or "Offset" when reader.NextMessagePackType == MessagePackType.Integer:
                        offset = reader.ReadInt64().ToString(System.Globalization.CultureInfo.InvariantCulture);
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }

            return new($"{epoch}:{offset}");
        }

        public void Serialize(ref MessagePackWriter writer, CursorArgument value, MessagePackSerializerOptions options) => writer.Write(value.Text);

        static string Skipped(ref MessagePackReader reader)
        {
            reader.Skip();
            return "?";
        }
    }

    /// <summary>Times are text, as in JSON, so that a client need not know of MessagePack's own.</summary>
    sealed class TimeFormatter : IMessagePackFormatter<DateTime>
    {
        public DateTime Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) => throw new NotSupportedException();

        public void Serialize(ref MessagePackWriter writer, DateTime value, MessagePackSerializerOptions options) =>
            writer.Write(value.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", System.Globalization.CultureInfo.InvariantCulture));
    }

    sealed class TimeOffsetFormatter : IMessagePackFormatter<DateTimeOffset>
    {
        public DateTimeOffset Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options) => throw new NotSupportedException();

        public void Serialize(ref MessagePackWriter writer, DateTimeOffset value, MessagePackSerializerOptions options) =>
            writer.Write(value.ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Records as maps with camel-case names, by way of their JSON, which is generated already. Everything else as usual.</summary>
    sealed class CamelCaseResolver : IFormatterResolver
    {
        public static readonly CamelCaseResolver Instance = new();

        public IMessagePackFormatter<T>? GetFormatter<T>() => Cache<T>.Formatter;

        static class Cache<T>
        {
            public static readonly IMessagePackFormatter<T>? Formatter =
                typeof(T).Namespace?.StartsWith("OrleansRealtime", StringComparison.Ordinal) == true && WireJson.Default.GetTypeInfo(typeof(T)) is not null
                    ? new JsonFormatter<T>()
                    : StandardResolver.Instance.GetFormatter<T>();
        }
    }

    sealed class JsonFormatter<T> : IMessagePackFormatter<T>
    {
        public T Deserialize(ref MessagePackReader reader, MessagePackSerializerOptions options)
        {
            using var text = new StringWriter();
            MessagePackSerializer.ConvertToJson(ref reader, text, options);
            return (T)JsonSerializer.Deserialize(text.ToString(), WireJson.Default.GetTypeInfo(typeof(T))!)!;
        }

        public void Serialize(ref MessagePackWriter writer, T value, MessagePackSerializerOptions options)
        {
            if (value is Operations.History history)
            {
                WriteHistory(ref writer, history);
                return;
            }

            string json = JsonSerializer.Serialize(value, WireJson.Default.GetTypeInfo(typeof(T))!);
            MessagePackSerializer.ConvertFromJson(json, ref writer, options);
        }

        /// <summary>The one result that may hold binary data.</summary>
        static void WriteHistory(ref MessagePackWriter writer, Operations.History history)
        {
            writer.WriteMapHeader(4);
            writer.Write("messages");
            writer.WriteArrayHeader(history.Messages.Count);
            foreach (var message in history.Messages)
            {
                Write(ref writer, message);
            }

            writer.Write("cursor");
            writer.Write(history.Cursor);
            writer.Write("more");
            writer.Write(history.More);
            writer.Write("recovered");
            writer.Write(history.Recovered);
        }
    }
}
