using OrleansRealtime.Client.Storage;

namespace OrleansRealtime.Client.Encryption;

public sealed class EncryptionOptions
{
    /// <summary>Where keys are kept. In memory by default: each start is then a new device, which cannot read what was sent directly before.</summary>
    public IClientStore Store { get; init; } = new MemoryStore();

    /// <summary>Neither encrypts for keys that have not been verified, nor accepts what comes from them.</summary>
    public bool VerifiedOnly { get; init; }

    /// <summary>How long a message waits for the key of its room, with what follows it there.</summary>
    public TimeSpan KeyTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Between two attempts to ask the members of a room for a key.</summary>
    public TimeSpan AskAgain { get; init; } = TimeSpan.FromSeconds(2);
}
