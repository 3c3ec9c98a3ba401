using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace OrleansRealtime.Channels;

/// <summary>
/// A room's name in its namespace. Clients write <c>general</c> for a room of the default namespace and
/// <c>/admin:alerts</c> for a room of another one.
/// </summary>
public readonly record struct RoomName
{
    /// <summary>Bytes of UTF-8 that a room name, a user id or an event name may have.</summary>
    public const int MaxBytes = 128;

    public const string DefaultNamespace = "/";

    RoomName(string ns, string name)
    {
        Namespace = ns;
        Name = name;
    }

    public string Namespace { get; }

    public string Name { get; }

    /// <summary>Namespace and name, for example <c>/:general</c>: the key of the room's grain.</summary>
    public string Qualified => $"{Namespace}:{Name}";

    /// <summary>The shortest form a client may write: <c>general</c>, or <c>/admin:alerts</c>.</summary>
    public override string ToString() => Namespace == DefaultNamespace ? Name : Qualified;

    /// <summary>Reads what <see cref="Qualified"/> wrote; the input is trusted.</summary>
    public static RoomName FromQualified(string qualified)
    {
        int colon = qualified.IndexOf(':', StringComparison.Ordinal);
        return new(qualified[..colon], qualified[(colon + 1)..]);
    }

    /// <summary>Parses a name as a client wrote it.</summary>
    /// <param name="text">The name, with or without a namespace.</param>
    /// <param name="room">The room.</param>
    /// <param name="error">What is wrong and what is allowed.</param>
    public static bool TryParse(string? text, out RoomName room, [NotNullWhen(false)] out string? error)
    {
        room = default;
        if (string.IsNullOrEmpty(text))
        {
            error = "A room name must not be empty.";
            return false;
        }

        string ns = DefaultNamespace, name = text;
        if (text[0] == '/')
        {
            int colon = text.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0)
            {
                error = "A room name that starts with '/' names its namespace first: '/namespace:room'.";
                return false;
            }

            (ns, name) = (text[..colon], text[(colon + 1)..]);
            if (!TryParseNamespace(ns, out error))
            {
                return false;
            }
        }

        if (!TryCheckName(name, "A room name", out error))
        {
            return false;
        }

        if (name[0] == '/')
        {
            error = "A room name must not begin with '/', which begins a namespace.";
            return false;
        }

        room = new(ns, name);
        return true;
    }

    /// <summary>Checks a namespace: <c>/</c>, or <c>/</c> and letters, digits, <c>_ . - /</c>, at most 64 characters.</summary>
    public static bool TryParseNamespace(string? text, [NotNullWhen(false)] out string? error)
    {
        bool valid = text is { Length: >= 1 and <= 64 } && text[0] == '/'
            && text.AsSpan(1).IndexOfAnyExcept(NamespaceCharacters) < 0;
        error = valid ? null : "A namespace is '/', or '/' and up to 63 letters, digits, '_', '.', '-' or '/'.";
        return valid;
    }

    /// <summary>Checks a room name, user id or event name: 1 to 128 bytes of UTF-8, no control characters, no lone surrogates.</summary>
    /// <param name="text">The name.</param>
    /// <param name="what">How the error begins: "A room name".</param>
    /// <param name="error">What is wrong and what is allowed.</param>
    public static bool TryCheckName([NotNullWhen(true)] string? text, string what, [NotNullWhen(false)] out string? error)
    {
        error = null;
        if (string.IsNullOrEmpty(text))
        {
            error = $"{what} must not be empty.";
        }
        else if (text.Length > MaxBytes || Encoding.UTF8.GetByteCount(text) > MaxBytes)
        {
            error = $"{what} may have at most {MaxBytes} bytes of UTF-8.";
        }
        else if (!IsPrintable(text))
        {
            error = $"{what} must not contain control characters or malformed Unicode.";
        }

        return error is null;
    }

    static readonly System.Buffers.SearchValues<char> NamespaceCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/");

    static bool IsPrintable(string text)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (Rune.IsControl(rune) || rune == Rune.ReplacementChar)
            {
                return false;
            }
        }

        return true;
    }
}
