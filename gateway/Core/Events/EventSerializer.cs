using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansRealtime.Gateway.Events;

/// <summary>Between objects and <see cref="EventData"/>: JSON as the application's options say, with binary data beside it.</summary>
static class EventSerializer
{
    /// <summary>As ASP.NET Core has it: camel-case names, numbers may be read from text.</summary>
    public static readonly JsonSerializerOptions DefaultOptions = new(JsonSerializerDefaults.Web);

    static readonly ConditionalWeakTable<JsonSerializerOptions, JsonSerializerOptions> s_withBinary = [];

    /// <summary>The attachments of what this thread is reading or writing: (de)serialization does not leave the thread.</summary>
    [ThreadStatic]
    static List<ReadOnlyMemory<byte>>? t_writing;

    [ThreadStatic]
    static IReadOnlyList<ReadOnlyMemory<byte>>? t_reading;

    public static EventData Write(ReadOnlySpan<object?> arguments, JsonSerializerOptions options)
    {
        var attachments = t_writing = [];
        try
        {
            var json = new ArrayBufferWriter<byte>();
            using var writer = new Utf8JsonWriter(json);
            var withBinary = WithBinary(options);
            writer.WriteStartArray();
            foreach (object? argument in arguments)
            {
                JsonSerializer.Serialize(writer, argument, argument?.GetType() ?? typeof(object), withBinary);
            }

            writer.WriteEndArray();
            writer.Flush();
            return new(json.WrittenMemory, attachments);
        }
        finally
        {
            t_writing = null;
        }
    }

    public static T? Read<T>(EventData data, int index, JsonSerializerOptions options)
    {
        t_reading = data.Attachments;
        try
        {
            return JsonSerializer.Deserialize<T>(data[index].Span, WithBinary(options));
        }
        finally
        {
            t_reading = null;
        }
    }

    static JsonSerializerOptions WithBinary(JsonSerializerOptions options) => s_withBinary.GetValue(options, static original => new(original)
    {
        Converters = { new BytesConverter(), new MemoryConverter() },
    });

    /// <summary>A placeholder is an attachment; text is base64, as everywhere in .NET's JSON.</summary>
    static byte[]? ReadBytes(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null)
        {
            return null;
        }

        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return reader.GetBytesFromBase64();
        }

        using var placeholder = JsonDocument.ParseValue(ref reader);
        return placeholder.RootElement.TryGetProperty("num"u8, out var number) && number.TryGetInt32(out int at) && at >= 0 && at < (t_reading?.Count ?? 0)
            ? t_reading![at].ToArray()
            : throw new JsonException("Binary data is expected.");
    }

    static void WriteBytes(Utf8JsonWriter writer, ReadOnlyMemory<byte> bytes)
    {
        writer.WriteStartObject();
        writer.WriteBoolean("_placeholder"u8, true);
        writer.WriteNumber("num"u8, t_writing!.Count);
        writer.WriteEndObject();
        t_writing.Add(bytes);
    }

    sealed class BytesConverter : JsonConverter<byte[]>
    {
        public override byte[]? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadBytes(ref reader);

        public override void Write(Utf8JsonWriter writer, byte[] value, JsonSerializerOptions options) => WriteBytes(writer, value);
    }

    sealed class MemoryConverter : JsonConverter<ReadOnlyMemory<byte>>
    {
        public override ReadOnlyMemory<byte> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => ReadBytes(ref reader);

        public override void Write(Utf8JsonWriter writer, ReadOnlyMemory<byte> value, JsonSerializerOptions options) => WriteBytes(writer, value);
    }
}
