using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace OrleansRealtime.Users;

/// <summary>The public key of one of a user's devices (docs/encryption.md). The server keeps and lists it, and uses it for nothing.</summary>
/// <param name="Key">32 bytes as base64url without padding.</param>
/// <param name="AnnouncedAt">Milliseconds since the Unix epoch when it was announced last.</param>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserKey")]
public sealed record UserKey(
    [property: Id(0)] string Key,
    [property: Id(1)] long AnnouncedAt)
{
    /// <summary>Keys that a user may have.</summary>
    public const int MaxKeys = 10;

    /// <summary>Bytes of an X25519 public key (RFC 7748), and characters of its text.</summary>
    const int Bytes = 32, Characters = 43;

    /// <summary>Checks a key's text. There is one text for each key: the two bits that are left over at its end are 0.</summary>
    /// <param name="text">The key.</param>
    /// <param name="error">What a key is.</param>
    public static bool TryCheck([NotNullWhen(true)] string? text, [NotNullWhen(false)] out string? error)
    {
        Span<byte> key = stackalloc byte[Bytes];
        bool valid = text is { Length: Characters }
            && Base64Url.DecodeFromChars(text, key, out _, out int written) == OperationStatus.Done && written == Bytes
            && Base64Url.EncodeToString(key) == text;
        error = valid ? null : $"A key is {Bytes} bytes as base64url without padding: {Characters} letters, digits, '-' and '_'.";
        return valid;
    }
}
