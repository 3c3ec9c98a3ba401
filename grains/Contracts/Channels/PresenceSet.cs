using System.Collections;

namespace OrleansRealtime.Channels;

/// <summary>
/// Who is there, by <see cref="PresenceCount.Key"/>. Most channels are inboxes with one connection, so a single one takes no dictionary.
/// </summary>
public sealed class PresenceSet : IReadOnlyCollection<PresenceCount>
{
    PresenceCount _single;
    Dictionary<string, PresenceCount>? _many;

    public int Count => _many?.Count ?? (_single.Key is null ? 0 : 1);

    public bool TryGet(string key, out PresenceCount count)
    {
        if (_many is not null)
        {
            return _many.TryGetValue(key, out count);
        }

        bool found = _single.Key == key;
        count = found ? _single : default;
        return found;
    }

    /// <summary>Adds it, or puts it in the place of the one with the same key. Where nobody is there any more, it removes that.</summary>
    /// <returns>How many connections there were.</returns>
    public int Put(PresenceCount count)
    {
        int before = TryGet(count.Key, out var known) ? known.Connections : 0;
        if (count.Connections <= 0)
        {
            Remove(count.Key);
        }
        else if (_many is not null)
        {
            _many[count.Key] = count;
        }
        else if (_single.Key is null || _single.Key == count.Key)
        {
            _single = count;
        }
        else
        {
            _many = new() { [_single.Key] = _single, [count.Key] = count };
            _single = default;
        }

        return before;
    }

    public IEnumerator<PresenceCount> GetEnumerator()
    {
        if (_many is not null)
        {
            return _many.Values.GetEnumerator();
        }

        IEnumerable<PresenceCount> single = _single.Key is null ? [] : [_single];
        return single.GetEnumerator();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    void Remove(string key)
    {
        if (_single.Key == key)
        {
            _single = default;
        }
        else if (_many is not null && _many.Remove(key) && _many.Count == 0)
        {
            _many = null;
        }
    }
}
