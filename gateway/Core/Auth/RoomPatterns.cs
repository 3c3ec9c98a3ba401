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

    /// <summary>
    /// Texts with <c>*</c>. What stands between two asterisks is looked for once, from where the one before it ended: the first place is as
    /// good as any later one, so there is no backtracking.
    /// </summary>
    sealed class Globs
    {
        readonly HashSet<string> _exact = new(StringComparer.Ordinal);
        readonly string[][] _wildcards;

        public Globs(IEnumerable<string> patterns)
        {
            List<string[]> wildcards = [];
            foreach (string pattern in patterns)
            {
                if (pattern.Contains('*', StringComparison.Ordinal))
                {
                    wildcards.Add(pattern.Split('*'));
                }
                else
                {
                    _exact.Add(pattern);
                }
            }

            _wildcards = [.. wildcards];
        }

        public bool Matches(ReadOnlySpan<char> text)
        {
            if (_exact.Count > 0 && _exact.GetAlternateLookup<ReadOnlySpan<char>>().Contains(text))
            {
                return true;
            }

            foreach (string[] parts in _wildcards)
            {
                if (Matches(parts, text))
                {
                    return true;
                }
            }

            return false;
        }

        static bool Matches(ReadOnlySpan<string> parts, ReadOnlySpan<char> text)
        {
            (string first, string last) = (parts[0], parts[^1]);
            if (text.Length < first.Length + last.Length || !text.StartsWith(first) || !text.EndsWith(last))
            {
                return false;
            }

            text = text[first.Length..^last.Length];
            foreach (string part in parts[1..^1])
            {
                int at = text.IndexOf(part);
                if (at < 0)
                {
                    return false;
                }

                text = text[(at + part.Length)..];
            }

            return true;
        }
    }
}
