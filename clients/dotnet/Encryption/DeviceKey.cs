namespace OrleansRealtime.Client.Encryption;

/// <summary>A device's key pair.</summary>
sealed class DeviceKey
{
    public DeviceKey(byte[] secretKey)
    {
        SecretKey = secretKey;
        Name = Base64Text.Encode(Nacl.PublicKeyOf(secretKey));
    }

    /// <summary>The public key: 43 characters.</summary>
    public string Name { get; }

    public byte[] SecretKey { get; }

    public static string Fingerprint(string user, string key)
    {
        byte[] bytes = Base64Text.Decode(key, Nacl.KeyBytes) ?? throw new ArgumentException("A public key is 32 bytes as 43 characters of base64url.", nameof(key));
        string hex = Convert.ToHexStringLower(Nacl.ShortHash($"orleans-realtime/fingerprint/1\n{user}\n", bytes));
        return string.Join(' ', hex.Chunk(4).Select(group => new string(group)));
    }
}
