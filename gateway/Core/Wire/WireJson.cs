using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>The JSON of requests and results, by source generation.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    Converters = [typeof(PayloadConverter), typeof(MessageConverter), typeof(CursorArgumentConverter), typeof(TimeConverter), typeof(EventDataConverter)],
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(SendRequest))]
[JsonSerializable(typeof(JoinResult))]
[JsonSerializable(typeof(PublishAcknowledgement))]
[JsonSerializable(typeof(History))]
[JsonSerializable(typeof(PresenceResult))]
[JsonSerializable(typeof(AuthenticateResult))]
[JsonSerializable(typeof(ConnectionsResult))]
[JsonSerializable(typeof(DisconnectResult))]
[JsonSerializable(typeof(KeysResult))]
[JsonSerializable(typeof(HealthReport))]
[JsonSerializable(typeof(ConnectionMetrics))]
[JsonSerializable(typeof(SendOptions))]
[JsonSerializable(typeof(StartJobOptions))]
[JsonSerializable(typeof(StartedJob))]
[JsonSerializable(typeof(JobDescription))]
[JsonSerializable(typeof(CancelJobResult))]
[JsonSerializable(typeof(CursorArgument))]
[JsonSerializable(typeof(Payload))]
[JsonSerializable(typeof(EventData))]
[JsonSerializable(typeof(bool))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(int?))]
[JsonSerializable(typeof(double?))]
[JsonSerializable(typeof(long))]
[JsonSerializable(typeof(byte[]))]
sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>Gives another owner's options the same JSON. The generated types bring neither converters nor rules with them.</summary>
    public static void Configure(JsonSerializerOptions options)
    {
        options.TypeInfoResolverChain.Insert(0, Default);
        foreach (var converter in Default.Options.Converters)
        {
            options.Converters.Add(converter);
        }

        options.DefaultIgnoreCondition = Default.Options.DefaultIgnoreCondition;
        options.UnmappedMemberHandling = Default.Options.UnmappedMemberHandling;
    }
}

/// <summary>Keeps one JSON value as it was written.</summary>
sealed class PayloadConverter : JsonConverter<Payload>
{
    public override bool HandleNull => true;

    public override Payload Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        return new(PayloadKind.Json, JsonMarshal.GetRawUtf8Value(document.RootElement).ToArray());
    }

    public override void Write(Utf8JsonWriter writer, Payload value, JsonSerializerOptions options) =>
        writer.WriteRawValue(value.Bytes, skipInputValidation: true);
}

sealed class MessageConverter : JsonConverter<MessageReceived>
{
    public override MessageReceived Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("The server does not read what it sends.");

    public override void Write(Utf8JsonWriter writer, MessageReceived value, JsonSerializerOptions options) => EventJson.WriteMessage(writer, value);
}

/// <summary>What a handler has answered: its first argument.</summary>
sealed class EventDataConverter : JsonConverter<EventData>
{
    public override EventData Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Clients send one argument, which is a payload.");

    public override void Write(Utf8JsonWriter writer, EventData value, JsonSerializerOptions options) => EventJson.WriteArgument(writer, value);
}

/// <summary>
/// A cursor as a client gave it: <c>"epoch:offset"</c>, or <c>{"epoch", "offset"}</c>, which is what an acknowledgement has. It is
/// parsed when it is used, so that a malformed one is answered as every other wrong argument.
/// </summary>
/// <param name="Text">The text form; null for none.</param>
readonly record struct CursorArgument(string? Text)
{
    public Cursor? Parse() => RealtimeOperations.ParseCursor(Text);
}

sealed class CursorArgumentConverter : JsonConverter<CursorArgument>
{
    public override bool HandleNull => true;

    public override CursorArgument Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        var root = document.RootElement;
        return new(root.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => root.GetString(),
            JsonValueKind.Object when root.TryGetProperty("epoch", out var epoch) && root.TryGetProperty("offset", out var offset) => $"{epoch}:{offset}",
            _ => root.GetRawText(),
        });
    }

    public override void Write(Utf8JsonWriter writer, CursorArgument value, JsonSerializerOptions options) => writer.WriteStringValue(value.Text);
}

/// <summary>Times have milliseconds, always.</summary>
sealed class TimeConverter : JsonConverter<DateTime>
{
    public override DateTime Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDateTime();

    public override void Write(Utf8JsonWriter writer, DateTime value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", System.Globalization.CultureInfo.InvariantCulture));
}

/// <summary>How a message is to be delivered, where a method takes that as an object.</summary>
public sealed record SendOptions(string? MessageId = null, string? Delivery = null, string? Key = null);
