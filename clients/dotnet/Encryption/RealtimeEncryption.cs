namespace OrleansRealtime.Client.Encryption;

/// <summary>A message that is not shown to the application.</summary>
/// <param name="Code">One of <see cref="RefusalCodes"/>.</param>
/// <param name="Reason">The code as a sentence.</param>
/// <param name="Message">What came over the wire.</param>
public sealed record RefusedMessage(string Code, string Reason, RealtimeMessage Message);

/// <summary>This client encrypts with another key of the room from now on.</summary>
/// <param name="Key">Its id.</param>
public sealed record RotatedKey(string Room, string Key, int Generation);

/// <summary>
/// End-to-end encryption as docs/encryption.md has it, from <see cref="RealtimeClient.UseEncryption"/>. A conversation that was declared encrypted is so for
/// good: nothing is sent in it in the clear, and plain messages in it are refused. Events are raised where messages are read; their handlers must not wait.
/// </summary>
public sealed class RealtimeEncryption
{
    readonly RealtimeClient _client;
    readonly EncryptionCodec _codec;

    internal RealtimeEncryption(RealtimeClient client, EncryptionOptions options)
    {
        _client = client;
        _codec = new(client, this, options);
    }

    /// <summary>Something came that is not what it seems. It is in no reader and in no page.</summary>
    public event Action<RefusedMessage>? Refused;

    /// <summary>A message that was refused as <c>unknown_room_key</c> can be read after all.</summary>
    public event Action<RealtimeMessage>? Amended;

    /// <summary>A user of whom keys are known has another one: a new device, or somebody who pretends to be him.</summary>
    public event Action<UserKey>? KeyChanged;

    public event Action<RotatedKey>? Rotated;

    /// <summary>What happened in the background and nobody waits for: a member who could not be handed a key, a directory that does not answer.</summary>
    public event Action<Exception>? Failed;

    internal EncryptionCodec Codec => _codec;

    /// <summary>A room whose messages are encrypted. Before it is joined.</summary>
    public RealtimeRoom Room(string name)
    {
        var room = _client.Room(name);
        _codec.DeclareRoom(room.Name);
        return room;
    }

    /// <summary>A conversation whose messages are encrypted. Encrypted ones that come are decrypted whether it is declared or not.</summary>
    public DirectConversation Direct(string user)
    {
        _codec.DeclareUser(user);
        return _client.Direct(user);
    }

    /// <summary>This device, once the client has connected.</summary>
    public UserKey Device
    {
        get
        {
            var (user, key) = (_codec.User, _codec.Own);
            return new(user, key, DeviceKey.Fingerprint(user, key), IsVerified: true, IsCurrent: true);
        }
    }

    /// <summary>What the server lists of a user now, the newest first, and what this client remembers beside.</summary>
    public Task<IReadOnlyList<UserKey>> KeysAsync(string user, CancellationToken cancellationToken = default) =>
        _codec.Me.Directory.KeysAsync(user).WaitAsync(cancellationToken);

    /// <summary>The fingerprint has been compared over another channel; or that is taken back.</summary>
    public void Verify(string user, string key, bool verified = true) => _codec.Me.Directory.Verify(user, key, verified);

    /// <summary>Takes a key of one's own, of a lost device, off the directory.</summary>
    public Task RemoveKeyAsync(string key, CancellationToken cancellationToken = default) =>
        _client.InvokeAsync<System.Text.Json.JsonElement>("RemoveKey", [key], cancellationToken);

    /// <summary>What two people compare over another channel: eight groups of four hex digits.</summary>
    public static string Fingerprint(string user, string key) => DeviceKey.Fingerprint(user, key);

    internal void OnRefused(RefusedMessage refused) => _client.Guard(() => Refused?.Invoke(refused));

    internal void OnAmended(RealtimeMessage message) => _client.Guard(() => Amended?.Invoke(message));

    internal void OnKeyChanged(UserKey key) => _client.Guard(() => KeyChanged?.Invoke(key));

    internal void OnRotated(RotatedKey key) => _client.Guard(() => Rotated?.Invoke(key));

    internal void OnFailed(Exception exception) => _client.Guard(() => Failed?.Invoke(exception));
}
