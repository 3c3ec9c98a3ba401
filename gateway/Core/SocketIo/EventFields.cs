using System.Text;
using System.Text.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>The fields of an event: those of the object that is its first argument, or else the arguments themselves, in their order.</summary>
/// <param name="inOrder">What the arguments are where the first is no object. The last one is the message, where the event has one.</param>
readonly struct EventFields(string name, EventData data, params string[] inOrder)
{
    /// <summary>A field that is text (or a number, as JavaScript may have it); null where it is absent or null.</summary>
    public string? Text(string field)
    {
        if (Find(field) is not { } json)
        {
            return null;
        }

        var reader = Read(json);
        return reader.TokenType switch
        {
            JsonTokenType.Null => null,
            JsonTokenType.String => JsonText.Read(reader) ?? throw Invalid($"'{field}' of '{name}' has half a character."),
            JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
            _ => throw Invalid($"'{field}' of '{name}' must be text."),
        };
    }

    /// <summary>A field that is true or false; false where it is absent or null.</summary>
    public bool Flag(string field) => Find(field) is { } json && Read(json).TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False or JsonTokenType.Null => false,
        _ => throw Invalid($"'{field}' of '{name}' must be true or false."),
    };

    /// <summary>The room's name in its namespace.</summary>
    public string Room()
    {
        string? room = Text("roomId") ?? Text("room");
        return string.IsNullOrEmpty(room) ? throw Invalid($"'{name}' needs a room: its name, or an object with 'roomId'.")
            : room[0] == '/' ? throw Invalid("A room name must not begin with '/'. A room of another namespace is for a socket of that namespace.")
            : room;
    }

    /// <summary>The message; null where it is absent.</summary>
    public Payload? Message() => Find(inOrder[^1]) is not { } json
        ? null
        : BinaryPlaceholders.ToPayload(json.Span, data.Attachments) ?? throw Invalid("A placeholder refers to an attachment that is not there.");

    /// <summary>Which page of a log.</summary>
    public HistoryRequest Page()
    {
        long? limit = Number("limit");
        return new(RealtimeOperations.ParseCursor(Text("after")), Number("before"), limit is null ? null : (int)Math.Clamp(limit.Value, int.MinValue, int.MaxValue));
    }

    /// <summary>A number of seconds; null where it is absent or null.</summary>
    public double? Seconds(string field)
    {
        if (Find(field) is not { } json)
        {
            return null;
        }

        var reader = Read(json);
        return reader.TokenType == JsonTokenType.Null ? null
            : reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out double number) ? number
            : throw Invalid($"'{field}' of '{name}' must be a number.");
    }

    long? Number(string field)
    {
        if (Find(field) is not { } json)
        {
            return null;
        }

        var reader = Read(json);
        return reader.TokenType == JsonTokenType.Null ? null
            : reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long number) ? number
            : throw Invalid($"'{field}' of '{name}' must be a whole number.");
    }

    ReadOnlyMemory<byte>? Find(string field)
    {
        if (data.Count == 0)
        {
            return null;
        }

        var reader = Read(data[0]);
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            int at = Array.IndexOf(inOrder, field);
            return at >= 0 && at < data.Count ? data[at] : default(ReadOnlyMemory<byte>?);
        }

        byte[] wanted = Encoding.UTF8.GetBytes(field);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool found = JsonText.Is(reader, wanted);
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (found)
            {
                return data[0][start..(int)reader.BytesConsumed];
            }
        }

        return null;
    }

    static Utf8JsonReader Read(ReadOnlyMemory<byte> json)
    {
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        return reader;
    }

    static RealtimeException Invalid(string message) => new(RealtimeErrorCode.InvalidArgument, message);
}
