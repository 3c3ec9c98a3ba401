using System.Text;
using System.Text.Json;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>
/// Text of JSON that is valid and yet may be no text: an escape such as <c>\ud800</c> alone is half a character. JavaScript writes that for a string that was cut in the middle of one, and .NET
/// throws where it is to become a string.
/// </summary>
static class JsonText
{
    /// <summary>The text of the token; null where it is none.</summary>
    public static string? Read(in Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether the token's text is this one.</summary>
    public static bool Is(in Utf8JsonReader reader, ReadOnlySpan<byte> text) => reader.ValueIsEscaped
        ? Read(reader) is { } read && Encoding.UTF8.GetBytes(read).AsSpan().SequenceEqual(text)
        : reader.ValueTextEquals(text);

    /// <summary>The text of an element; null where it is none, or no text.</summary>
    public static string? Read(JsonElement element)
    {
        try
        {
            return element.ValueKind == JsonValueKind.String ? element.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
