using System.Text.Json;

namespace OrleansRealtime.Gateway.Events;

/// <summary>
/// The arguments of an event, or of its acknowledgement: a JSON array in UTF-8, and the binary attachments that it refers to.
/// <para>
/// Where an argument holds binary data, its JSON has <c>{"_placeholder":true,"num":n}</c> in that place, and the data is
/// <c>Attachments[n]</c> (https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md, "Packet encoding").
/// </para>
/// </summary>
public sealed class EventData
{
    public static readonly EventData Empty = new("[]"u8.ToArray(), []);

    readonly List<(int Start, int Length)> _arguments = [];

    /// <param name="json">A JSON array. It is not copied and must not change.</param>
    /// <param name="attachments">What its placeholders refer to, by number.</param>
    /// <exception cref="JsonException">The text is not a JSON array.</exception>
    public EventData(ReadOnlyMemory<byte> json, IReadOnlyList<ReadOnlyMemory<byte>> attachments)
    {
        Json = json;
        Attachments = attachments;
        var reader = new Utf8JsonReader(json.Span);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
        {
            throw new JsonException("The arguments of an event are a JSON array.");
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            _arguments.Add((start, (int)reader.BytesConsumed - start));
        }
    }

    /// <summary>How many arguments there are.</summary>
    public int Count => _arguments.Count;

    /// <summary>All arguments as a JSON array in UTF-8.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    public IReadOnlyList<ReadOnlyMemory<byte>> Attachments { get; }

    /// <summary>One argument's JSON, as its sender wrote it.</summary>
    public ReadOnlyMemory<byte> this[int index] => Json.Slice(_arguments[index].Start, _arguments[index].Length);

    /// <summary>The arguments from objects; <c>byte[]</c> and <see cref="ReadOnlyMemory{T}"/> of bytes in them become attachments.</summary>
    public static EventData Of(params ReadOnlySpan<object?> arguments) => EventSerializer.Write(arguments, EventSerializer.DefaultOptions);

    /// <summary>One argument as an object; <c>byte[]</c> and <see cref="ReadOnlyMemory{T}"/> of bytes take binary data. The default where it is absent.</summary>
    /// <exception cref="JsonException">The argument is not of that form.</exception>
    public T? Get<T>(int index, JsonSerializerOptions? options = null) => index < Count ? EventSerializer.Read<T>(this, index, options ?? EventSerializer.DefaultOptions) : default;

    /// <summary>The binary data that an object in the arguments stands for; null where it is an object like any other.</summary>
    internal ReadOnlyMemory<byte>? FindAttachment(JsonElement element) =>
        element.TryGetProperty("_placeholder"u8, out var placeholder) && placeholder.ValueKind == JsonValueKind.True
        && element.TryGetProperty("num"u8, out var number) && number.ValueKind == JsonValueKind.Number
        && number.TryGetInt32(out int at) && at >= 0 && at < Attachments.Count
            ? Attachments[at]
            : null;
}
