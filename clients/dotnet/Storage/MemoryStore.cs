namespace OrleansRealtime.Client.Storage;

/// <summary>Keeps texts for as long as the object lives.</summary>
public sealed class MemoryStore : IClientStore
{
    readonly Lock _lock = new();
    readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);

    public IReadOnlyList<KeyValuePair<string, string>> Load(string prefix)
    {
        lock (_lock)
        {
            return [.. _values.Where(v => v.Key.StartsWith(prefix, StringComparison.Ordinal))];
        }
    }

    public void Keep(string name, string? value)
    {
        lock (_lock)
        {
            if (value is null)
            {
                _values.Remove(name);
            }
            else
            {
                _values[name] = value;
            }
        }
    }
}
