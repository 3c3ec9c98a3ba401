namespace OrleansRealtime.Client.Encryption;

/// <summary>A user's device, as its public key.</summary>
/// <param name="Key">43 characters.</param>
/// <param name="Fingerprint">For people to compare over another channel.</param>
/// <param name="IsCurrent">Whether the directory lists it now: what is sent is encrypted for it.</param>
public sealed record UserKey(string User, string Key, string Fingerprint, bool IsVerified, bool IsCurrent);

/// <summary>Whose keys are which: what the server's key directory says, and what this client remembers of it.</summary>
/// <param name="list">The public keys that the server lists of a user, the newest first.</param>
/// <param name="own">This device's key, which needs no verifying.</param>
sealed class KeyDirectory(
    Func<string, Task<IReadOnlyList<string>>> list, DeviceStore store, bool verifiedOnly, string user, string own, TimeProvider time, Action<UserKey> onKeyChanged)
{
    /// <summary>Keys that are remembered of a user; one more displaces the oldest that is not verified.</summary>
    const int MaxSeen = 100;

    /// <summary>How old a copy of what the server lists may be.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly Dictionary<string, (long Asked, Task<IReadOnlyList<string>> Keys)> _copies = [];
    readonly Dictionary<string, List<SeenKey>> _seen = [];

    /// <summary>The keys that the directory lists now.</summary>
    public Task<IReadOnlyList<string>> CurrentAsync(string of)
    {
        lock (_lock)
        {
            if (_copies.TryGetValue(of, out var copy) && time.GetElapsedTime(copy.Asked) < MaxAge && !copy.Keys.IsFaulted)
            {
                return copy.Keys;
            }
        }

        return AskAsync(of);
    }

    /// <summary>The keys to encrypt for.</summary>
    public async Task<IReadOnlyList<string>> UsableAsync(string of) => [.. (await CurrentAsync(of)).Where(key => MayUse(of, key))];

    /// <summary>Whether the directory lists the key now, or did so when a copy was made.</summary>
    public async Task<bool> ListsAsync(string of, string key) => (await CurrentAsync(of)).Contains(key) || (await AskAsync(of)).Contains(key);

    /// <summary>After it, <see cref="IsKeyOf"/> knows of this key.</summary>
    public Task PrepareAsync(string of, string key) => IsKeyOf(of, key) ? Task.CompletedTask : AskAsync(of);

    public bool IsKeyOf(string of, string key)
    {
        lock (_lock)
        {
            return IsOwn(of, key) || SeenLocked(of).Exists(seen => seen.Key == key);
        }
    }

    public bool MayUse(string of, string key) => !verifiedOnly || IsVerified(of, key);

    public async Task<IReadOnlyList<UserKey>> KeysAsync(string of)
    {
        var current = await AskAsync(of);
        IReadOnlyList<string> seen;
        lock (_lock)
        {
            seen = [.. SeenLocked(of).Select(s => s.Key)];
        }

        return [.. current.Concat(seen.Except(current)).Select(key => new UserKey(of, key, DeviceKey.Fingerprint(of, key), IsVerified(of, key), current.Contains(key)))];
    }

    /// <summary>People have compared the fingerprint.</summary>
    public void Verify(string of, string key, bool verified)
    {
        if (Base64Text.Decode(key, Nacl.KeyBytes) is null)
        {
            throw new ArgumentException("A public key is 32 bytes as 43 characters of base64url.", nameof(key));
        }

        lock (_lock)
        {
            ChangeLocked(of, [.. SeenLocked(of).Where(seen => seen.Key != key), new(key, verified)]);
        }
    }

    bool IsVerified(string of, string key)
    {
        lock (_lock)
        {
            return IsOwn(of, key) || SeenLocked(of).Exists(seen => seen.Key == key && seen.Verified);
        }
    }

    bool IsOwn(string of, string key) => of == user && key == own;

    Task<IReadOnlyList<string>> AskAsync(string of)
    {
        var asked = time.GetTimestamp();
        var keys = AskOnceAsync(of);
        lock (_lock)
        {
            _copies[of] = (asked, keys);
        }

        return keys;
    }

    async Task<IReadOnlyList<string>> AskOnceAsync(string of)
    {
        var listed = await list(of);
        List<string> valid = [.. listed.Where(key => Base64Text.Decode(key, Nacl.KeyBytes) is not null)];
        Learn(of, valid);
        return valid;
    }

    void Learn(string of, List<string> listed)
    {
        List<string> changed;
        lock (_lock)
        {
            var seen = SeenLocked(of);

            // The oldest first, which are the first to be forgotten.
            var fresh = listed.Where(key => !seen.Exists(s => s.Key == key)).Reverse().ToList();
            if (fresh.Count == 0)
            {
                return;
            }

            changed = seen.Count > 0 ? [.. fresh.Where(key => !IsOwn(of, key))] : [];
            ChangeLocked(of, [.. seen, .. fresh.Select(key => new SeenKey(key, Verified: false))]);
        }

        foreach (string key in changed)
        {
            onKeyChanged(new(of, key, DeviceKey.Fingerprint(of, key), IsVerified: false, IsCurrent: true));
        }
    }

    List<SeenKey> SeenLocked(string of)
    {
        if (!_seen.TryGetValue(of, out var seen))
        {
            _seen[of] = seen = [.. store.SeenKeys(of)];
        }

        return seen;
    }

    void ChangeLocked(string of, List<SeenKey> keys)
    {
        int over = keys.Count - MaxSeen;
        _seen[of] = [.. keys.Where(key => key.Verified || over-- <= 0)];
        store.KeepSeenKeys(of, _seen[of]);
    }
}
