using System.Globalization;

namespace OrleansRealtime.Client.Messages;

/// <summary>A place in a channel's log: what has been seen. As text <c>epoch:offset</c>.</summary>
readonly record struct Cursor(string Epoch, long Offset)
{
    public static Cursor Parse(string text)
    {
        int colon = text.LastIndexOf(':');
        return colon > 0 && long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long offset)
            ? new(text[..colon], offset)
            : throw new RealtimeClientException("invalid_cursor", "A cursor is 'epoch:offset', as the server gave it out.");
    }

    /// <summary>Whether what is at <paramref name="other"/> has been seen here. What is in another epoch has not.</summary>
    public bool Covers(Cursor other) => Epoch == other.Epoch && Offset >= other.Offset;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Epoch}:{Offset}");
}
