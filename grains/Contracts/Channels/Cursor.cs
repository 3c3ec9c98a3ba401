using System.Buffers.Text;
using System.Globalization;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;

namespace OrleansRealtime.Channels;

/// <summary>
/// What a client has seen of a channel: everything up to <see cref="Offset"/> in the log's incarnation <see cref="Epoch"/>.
/// Its text form is <c>epoch:offset</c> and is URL-safe.
/// </summary>
[GenerateSerializer, Immutable, Alias("OrleansRealtime.Cursor")]
public readonly record struct Cursor([property: Id(0)] string Epoch, [property: Id(1)] long Offset)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epoch}:{Offset}");

    /// <summary>Parses <c>epoch:offset</c>. A forged cursor is harmless: it names a position in a log that its bearer may read anyway.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Cursor cursor)
    {
        int colon = text.IndexOf(':');
        if (colon == Channels.Epoch.Length && Channels.Epoch.IsWellFormed(text[..colon])
            && long.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long offset))
        {
            cursor = new(text[..colon].ToString(), offset);
            return true;
        }

        cursor = default;
        return false;
    }
}

/// <summary>
/// A log's incarnation: 16 URL-safe characters, of which the first six come from the channel's name and the rest are random.
/// So a cursor that is sent to the wrong channel is recognized.
/// </summary>
public static class Epoch
{
    public const int Length = 16;

    /// <summary>How many of the characters depend on the channel alone.</summary>
    const int ChannelPrefix = 6;

    public static string New(ChannelId channel) => Prefix(channel) + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(12))[..(Length - ChannelPrefix)];

    public static bool Belongs(ReadOnlySpan<char> epoch, ChannelId channel) => epoch.StartsWith(Prefix(channel), StringComparison.Ordinal);

    public static bool IsWellFormed(ReadOnlySpan<char> epoch)
    {
        if (epoch.Length != Length)
        {
            return false;
        }

        foreach (char c in epoch)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
            {
                return false;
            }
        }

        return true;
    }

    static string Prefix(ChannelId channel) => Base64Url.EncodeToString(XxHash64.Hash(Encoding.UTF8.GetBytes(channel.ToString())))[..ChannelPrefix];
}
