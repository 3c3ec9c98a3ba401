using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// The rooms that a <c>join</c> or <c>publish</c> claim names. A pattern is a room as clients write it, in which each <c>*</c> stands for
/// any text: <c>chat-*</c>, <c>/admin:*</c>. <c>*</c> alone is every room of every namespace, <c>/:*</c> every one of the default namespace.
/// </summary>
internal sealed class RoomPatterns
{
    public static readonly RoomPatterns All = new(["*"]);

    /// <summary>A namespace has at most 64 characters and a name 128; then a colon.</summary>
    const int LongestWritten = 64 + 1 + RoomName.MaxBytes;

    readonly bool _all;

    /// <summary>Matched against the room as it is written.</summary>
    readonly Globs _written;

    /// <summary>Patterns that began with <c>/:</c>, matched against names of the default namespace.</summary>
    readonly Globs _inDefault;

    public RoomPatterns(IReadOnlyCollection<string> patterns)
    {
        const string inDefault = RoomName.DefaultNamespace + ":";
        _all = patterns.Contains("*");
        _written = new(patterns.Where(p => !p.StartsWith(inDefault, StringComparison.Ordinal)));
        _inDefault = new(patterns.Where(p => p.StartsWith(inDefault, StringComparison.Ordinal)).Select(p => p[inDefault.Length..]));
    }

    public bool Matches(RoomName room)
    {
        if (_all)
        {
            return true;
        }

        if (room.Namespace == RoomName.DefaultNamespace)
        {
            // '/:/team:x' is a room of the default namespace that is written like one of '/team': '/team:*' is not meant for it.
            return _inDefault.Matches(room.Name) || (!room.Name.StartsWith('/') && _written.Matches(room.Name));
        }

        int length = room.Namespace.Length + 1 + room.Name.Length;
        if (length > LongestWritten)
        {
            return _written.Matches(room.ToString());
        }

        Span<char> written = stackalloc char[LongestWritten];
        room.Namespace.CopyTo(written);
        written[room.Namespace.Length] = ':';
        room.Name.CopyTo(written[(room.Namespace.Length + 1)..]);
        return _written.Matches(written[..length]);
    }
}
