namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// Texts with <c>*</c>. What stands between two asterisks is looked for once, from where the one before it ended: the first place is as
/// good as any later one, so there is no backtracking.
/// </summary>
internal sealed class Globs
{
    public static readonly Globs All = new(["*"]);

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
