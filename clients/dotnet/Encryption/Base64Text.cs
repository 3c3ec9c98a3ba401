using System.Buffers.Text;

namespace OrleansRealtime.Client.Encryption;

/// <summary>base64url without padding, in the only way to write each value.</summary>
static class Base64Text
{
    public static string Encode(ReadOnlySpan<byte> bytes) => Base64Url.EncodeToString(bytes);

    /// <summary>Null for anything that <see cref="Encode"/> would not have written, or where the bytes are not as many as wanted.</summary>
    public static byte[]? Decode(string? text, int? length = null)
    {
        if (text is null || !Base64Url.IsValid(text))
        {
            return null;
        }

        // What is left of the last character's bits, padding and space are lenient there.
        byte[] bytes = Base64Url.DecodeFromChars(text);
        return (length is null || bytes.Length == length) && Encode(bytes) == text ? bytes : null;
    }
}
