using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansRealtime.Client.Encryption;

/// <param name="Id">Derived from the rest, so that nobody can hand out another key under the same id.</param>
/// <param name="Key">32 bytes.</param>
sealed record RoomKey(string Id, byte[] Key, int Generation)
{
    public static RoomKey Of(string room, byte[] key, int generation) => new(
        Base64Text.Encode(Nacl.ShortHash(string.Create(CultureInfo.InvariantCulture, $"orleans-realtime/room-key/1\n{room}\n{generation}\n"), key)), key, generation);
}

/// <summary>What is handed from one member to another, inside of a direct message.</summary>
/// <param name="Holders">Where the key is fresh for who hands it over.</param>
/// <param name="Ask">Of the request that is answered.</param>
sealed record HandOver(
    string Room,
    string Key,
    int Generation,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<string>? Holders,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ask)
{
    /// <summary>Null where the data is no hand-over.</summary>
    public static HandOver? Read(JsonElement data)
    {
        var (holders, ask) = (data.Property("holders"), data.Property("ask"));
        return data.Property("room").Text() is { } room && data.Property("key").Bytes(Nacl.KeyBytes) is not null
            && data.Property("generation").Whole() is >= 1 and <= int.MaxValue and var generation
            && (holders is null || (holders is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().All(user => user.ValueKind == JsonValueKind.String)))
            && (ask is null || ask.Bytes(Nacl.IdBytes) is not null)
            ? new(room, data.Property("key").Text()!, (int)generation, holders?.EnumerateArray().Select(user => ((JsonElement?)user).Text()!).ToList(), ask.Text())
            : null;
    }
}

/// <summary>The keys of one room: which are known, and which of them is to be encrypted with (docs/encryption.md, "Rooms"). Not for several threads.</summary>
/// <param name="maxKeys">Keys that are kept; one more displaces the oldest that is not fresh.</param>
sealed class RoomKeys(string room, string user, int maxKeys = 1000)
{
    // In the order in which they came.
    readonly List<RoomKey> _known = [];

    // Who may have each of the fresh keys, by its id.
    readonly Dictionary<string, HashSet<string>> _holders = [];

    // Who is in the room; null outside of a stay.
    HashSet<string>? _present;

    /// <summary>Everybody in the room, oneself included.</summary>
    public IReadOnlyCollection<string> Users => _present is null ? [] : [.. _present];

    public RoomKey? Find(string id) => _known.Find(known => known.Id == id);

    /// <summary>For reading: the store has had it, or somebody has handed it over.</summary>
    public RoomKey Add(byte[] key, int generation, out RoomKey? displaced)
    {
        displaced = null;
        var added = RoomKey.Of(room, key, generation);
        if (Find(added.Id) is { } known)
        {
            return known;
        }

        _known.Add(added);
        if (_known.Count > maxKeys)
        {
            displaced = _known.Find(each => each != added && !_holders.ContainsKey(each.Id)) ?? _known[0];
            _known.Remove(displaced);
            _holders.Remove(displaced.Id);
        }

        return added;
    }

    /// <summary>For reading, and for encrypting too where it is fresh.</summary>
    /// <param name="answersOwn">Whether it answers what this client has asked for in this stay.</param>
    public RoomKey Handed(HandOver handOver, string from, bool answersOwn, out RoomKey? displaced)
    {
        var key = Add(Base64Text.Decode(handOver.Key)!, handOver.Generation, out displaced);
        if (answersOwn && handOver.Holders is { } holders && _present is { } present)
        {
            HashSet<string> all = [.. holders, from];
            if (all.IsSubsetOf(present))
            {
                BecomesFresh(key.Id, all);
            }
        }

        return key;
    }

    /// <summary>A new key, fresh in this stay.</summary>
    public RoomKey Make(out RoomKey? displaced)
    {
        int highest = _known.Count == 0 ? 0 : _known.Max(known => known.Generation);
        var made = Add(Nacl.NewKey(), highest == int.MaxValue ? highest : highest + 1, out displaced);
        BecomesFresh(made.Id, []);
        return made;
    }

    /// <summary>The client is in the room, with these. Said again in the same stay it tells who else has come or gone.</summary>
    public void Present(IEnumerable<string> users)
    {
        var before = _present ?? [];
        _present = [.. users, user];
        foreach (string gone in before.Except(_present).ToList())
        {
            Left(gone);
        }

        foreach (string present in _present.ToList())
        {
            Joined(present);
        }
    }

    /// <summary>The client has left the room, or lost its connection: who knows what happens there meanwhile.</summary>
    public void EndStay()
    {
        _present = null;
        _holders.Clear();
    }

    public void Joined(string other)
    {
        if (_present is { } present)
        {
            present.Add(other);
            MayHave(other);
        }
    }

    public void Left(string other)
    {
        // Oneself is still here, whatever the server takes for a while to notice; but what was handed out meanwhile nobody knows.
        if (other != user)
        {
            _present?.Remove(other);
        }

        foreach (string id in _holders.Where(h => h.Value.Contains(other)).Select(h => h.Key).ToList())
        {
            _holders.Remove(id);
        }
    }

    /// <summary>Somebody will be handed whatever he asks for.</summary>
    public void MayHave(string other)
    {
        foreach (var (id, holders) in _holders.ToList())
        {
            holders.Add(other);
            if (!IsPresent(other))
            {
                _holders.Remove(id);
            }
        }
    }

    public bool IsPresent(string other) => _present?.Contains(other) ?? false;

    /// <summary>Whether it is this user who makes keys and answers first.</summary>
    /// <param name="asker">Who is not counted, since he asks.</param>
    public bool IsFirst(string? asker = null) =>
        _present is { } present && present.All(each => each == asker || string.CompareOrdinal(each, user) >= 0);

    /// <summary>Null where no key is fresh.</summary>
    public RoomKey? ToEncryptWith() =>
        _holders.Keys.Select(id => Find(id)!).OrderByDescending(key => key.Generation).ThenBy(key => key.Id, StringComparer.Ordinal).FirstOrDefault();

    public bool IsFresh(string id) => _holders.ContainsKey(id);

    public HandOver ToHandOver(RoomKey key, string? ask) => new(
        room, Base64Text.Encode(key.Key), key.Generation, _holders.TryGetValue(key.Id, out var holders) ? [.. holders.Order(StringComparer.Ordinal)] : null, ask);

    void BecomesFresh(string id, HashSet<string> holders)
    {
        holders.UnionWith(_present ?? []);
        _holders[id] = holders;
    }
}
