namespace OrleansRealtime.Client.Storage;

/// <summary>
/// Texts by name: what a client keeps for its next start, and an encrypting client its keys. Calls come one at a time. They are made where
/// messages are sent and read, so they should not wait for anything slow; what is kept must be there after the process has been killed.
/// </summary>
public interface IClientStore
{
    /// <summary>All whose name begins with the prefix, in the ordinal order of their names.</summary>
    IReadOnlyList<KeyValuePair<string, string>> Load(string prefix);

    /// <param name="value">Null to remove it.</param>
    void Keep(string name, string? value);
}
