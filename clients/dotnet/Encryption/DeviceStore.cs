using System.Text.Json;
using OrleansRealtime.Client.Storage;

namespace OrleansRealtime.Client.Encryption;

/// <summary>Of a user's key that this client has seen.</summary>
sealed record SeenKey(string Key, bool Verified);

/// <summary>What of one user's device is kept: its key, the keys of others, and what has been read. As it is: whoever can read the store can read all messages.</summary>
sealed class DeviceStore(IClientStore store, string user)
{
    readonly string _prefix = $"{user}/e2e/";

    /// <summary>Made where there is none.</summary>
    public DeviceKey Device()
    {
        if (Value<string>("device") is not { } secret)
        {
            byte[] made = Nacl.NewKey();
            Keep("device", Base64Text.Encode(made));
            return new(made);
        }

        return new(Base64Text.Decode(secret, Nacl.KeyBytes)
            ?? throw new RealtimeClientException(RealtimeClientErrors.Defect, "What the store has as the device's key is none. Restore it, or clear the store to begin as a new device."));
    }

    public IReadOnlyList<SeenKey> SeenKeys(string of) => Value<List<SeenKey>>($"keys/{of}") ?? [];

    public void KeepSeenKeys(string of, IReadOnlyList<SeenKey> keys) => Keep($"keys/{of}", keys);

    public IEnumerable<(byte[] Key, int Generation)> RoomKeys(string room) => All<KeptRoomKey>($"room/{room}\n").OrderBy(kept => kept.Value.Came)
        .Select(kept => (Base64Text.Decode(kept.Value.Key)!, kept.Value.Generation));

    public void KeepRoomKey(string room, RoomKey key, DateTimeOffset came) =>
        Keep($"room/{room}\n{key.Id}", new KeptRoomKey(Base64Text.Encode(key.Key), key.Generation, came.ToUnixTimeMilliseconds()));

    public void ForgetRoomKey(string room, string id) => store.Keep($"{_prefix}room/{room}\n{id}", null);

    /// <summary>What has been read of each session in a conversation.</summary>
    public IEnumerable<(string Session, Highest Highest)> Highest(string conversation) => All<Highest>($"seen/{conversation}\n");

    public void KeepHighest(string conversation, string session, Highest highest) => Keep($"seen/{conversation}\n{session}", highest);

    public void ForgetSession(string conversation, string session) => store.Keep($"{_prefix}seen/{conversation}\n{session}", null);

    IEnumerable<(string Name, T Value)> All<T>(string prefix) =>
        store.Load(_prefix + prefix).Select(entry => (entry.Key[(_prefix.Length + prefix.Length)..], JsonSerializer.Deserialize<T>(entry.Value)!));

    T? Value<T>(string name) => store.Load(_prefix + name).Where(entry => entry.Key == _prefix + name).Select(entry => JsonSerializer.Deserialize<T>(entry.Value)).FirstOrDefault();

    void Keep<T>(string name, T value) => store.Keep(_prefix + name, JsonSerializer.Serialize(value));

    /// <param name="Came">Unix time in milliseconds.</param>
    sealed record KeptRoomKey(string Key, int Generation, long Came);
}
