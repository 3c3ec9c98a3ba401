using System.Buffers;
using System.Text.Json;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>
/// JSON that has <c>{"_placeholder":true,"num":n}</c> where binary data belongs, which is how Socket.IO writes it
/// (https://github.com/socketio/socket.io/blob/main/docs/socket.io-protocol/v5-current.md, "Packet encoding").
/// </summary>
static class BinaryPlaceholders
{
    /// <summary>The number in a placeholder; null where the JSON is something else.</summary>
    public static int? Read(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        return reader.Read() ? TryRead(ref reader) : null;
    }

    /// <summary>
    /// A part of a packet's JSON as a payload of its own: JSON, binary data alone, or both. Null where a placeholder refers to an attachment that is
    /// not there.
    /// </summary>
    public static Payload? ToPayload(ReadOnlySpan<byte> json, IReadOnlyList<ReadOnlyMemory<byte>> attachments)
    {
        if (attachments.Count == 0)
        {
            return new(PayloadKind.Json, json.ToArray());
        }

        if (Read(json) is { } whole)
        {
            return whole < attachments.Count ? new(PayloadKind.Binary, attachments[whole].ToArray()) : null;
        }

        var parts = new List<ReadOnlyMemory<byte>>();
        var numbered = new ArrayBufferWriter<byte>(json.Length);
        bool complete = Replace(json, numbered, number =>
        {
            if (number >= attachments.Count)
            {
                return false;
            }

            WritePlaceholder(numbered, parts.Count);
            parts.Add(attachments[number]);
            return true;
        });
        return !complete ? null : parts.Count == 0 ? new(PayloadKind.Json, json.ToArray()) : Payload.Mixed(numbered.WrittenSpan, parts);
    }

    /// <summary>Writes a mixed payload for clients that know JSON only: <c>{"encoding":"base64","data":"…"}</c> where binary data belongs.</summary>
    public static void WriteAsBase64(Utf8JsonWriter writer, Payload mixed)
    {
        var (json, parts) = mixed.ReadMixed();
        var text = new ArrayBufferWriter<byte>(mixed.Bytes.Length * 2);
        Replace(json.Span, text, number =>
        {
            text.Write("{\"encoding\":\"base64\",\"data\":\""u8);
            text.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(parts[number].Span)));
            text.Write("\"}"u8);
            return true;
        });
        writer.WriteRawValue(text.WrittenSpan, skipInputValidation: true);
    }

    public static void WritePlaceholder(IBufferWriter<byte> to, int number)
    {
        to.Write("{\"_placeholder\":true,\"num\":"u8);
        System.Buffers.Text.Utf8Formatter.TryFormat(number, to.GetSpan(11), out int digits);
        to.Advance(digits);
        to.Write("}"u8);
    }

    /// <summary>Copies JSON, with something else in place of each placeholder. False as soon as that cannot be had.</summary>
    static bool Replace(ReadOnlySpan<byte> json, IBufferWriter<byte> to, Func<int, bool> write)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 1024 });
        int copied = 0;
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                continue;
            }

            int start = (int)reader.TokenStartIndex;
            var ahead = reader;
            if (TryRead(ref ahead) is not { } number)
            {
                continue;
            }

            to.Write(json[copied..start]);
            if (!write(number))
            {
                return false;
            }

            copied = (int)ahead.BytesConsumed;
            reader = ahead;
        }

        to.Write(json[copied..]);
        return true;
    }

    /// <summary>At the start of an object: reads it where it is a placeholder.</summary>
    static int? TryRead(ref Utf8JsonReader reader)
    {
        bool marked = false;
        int? number = null;
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isMark = JsonText.Is(reader, "_placeholder"u8), isNumber = JsonText.Is(reader, "num"u8);
            reader.Read();
            if (isMark && reader.TokenType == JsonTokenType.True)
            {
                marked = true;
            }
            else if (isNumber && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int value) && value >= 0)
            {
                number = value;
            }
            else
            {
                return null;
            }
        }

        return marked && reader.TokenType == JsonTokenType.EndObject ? number : null;
    }
}
