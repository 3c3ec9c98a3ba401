using System.Text;
using System.Text.Json;

namespace OrleansRealtime.Client.Encryption;

/// <summary>Reads what others have written, who may mean harm: nothing here throws.</summary>
static class Json
{
    /// <summary>Deeper JSON is refused.</summary>
    const int MaxDepth = 512;

    static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Null where the bytes are no JSON object in UTF-8.</summary>
    public static JsonElement? Object(byte[] utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(s_strict.GetString(utf8), new() { MaxDepth = MaxDepth });
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (Exception exception) when (exception is JsonException or ArgumentException)
        {
            return null;
        }
    }

    public static JsonElement? Property(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : null;

    /// <summary>Null where it is no text.</summary>
    public static string? Text(this JsonElement? element)
    {
        if (element is not { ValueKind: JsonValueKind.String } text)
        {
            return null;
        }

        try
        {
            return text.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a character, which is equal to nothing that the server can send.
            return "\uFFFD\uFFFD";
        }
    }

    /// <summary>Null where it is no whole number that a double holds exactly, 1.0 included.</summary>
    public static long? Whole(this JsonElement? element) => element is { ValueKind: JsonValueKind.Number } number
        && number.TryGetDouble(out double value) && Math.Floor(value) == value && Math.Abs(value) <= 9007199254740991 ? (long)value : null;

    public static byte[]? Bytes(this JsonElement? element, int? length = null) => Base64Text.Decode(element.Text(), length);
}
