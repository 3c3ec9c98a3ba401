using System.Security.Cryptography;
using System.Text;
using Sodium;

namespace OrleansRealtime.Client.Encryption;

/// <summary>NaCl's box, secretbox and hash, by libsodium. Whatever does not open is null.</summary>
static class Nacl
{
    public const int KeyBytes = 32, NonceBytes = 24, OverheadBytes = 16, IdBytes = 16;

    public static byte[] PublicKeyOf(byte[] secretKey) => ScalarMult.Base(secretKey);

    public static byte[] NewKey() => RandomNumberGenerator.GetBytes(KeyBytes);

    public static byte[] NewNonce() => RandomNumberGenerator.GetBytes(NonceBytes);

    /// <summary>16 random bytes, as text.</summary>
    public static string NewId() => Base64Text.Encode(RandomNumberGenerator.GetBytes(IdBytes));

    public static byte[] Box(byte[] plaintext, byte[] nonce, byte[] secretKey, byte[] publicKey) => PublicKeyBox.Create(plaintext, nonce, secretKey, publicKey);

    public static byte[]? OpenBox(byte[] box, byte[] nonce, byte[] secretKey, byte[] publicKey)
    {
        try
        {
            return PublicKeyBox.Open(box, nonce, secretKey, publicKey);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    public static byte[] SecretBox(byte[] plaintext, byte[] nonce, byte[] key) => Sodium.SecretBox.Create(plaintext, nonce, key);

    public static byte[]? OpenSecretBox(byte[] box, byte[] nonce, byte[] key)
    {
        try
        {
            return Sodium.SecretBox.Open(box, nonce, key);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>The first 16 bytes of SHA-512 of a text and a key.</summary>
    public static byte[] ShortHash(string text, byte[] key) => SHA512.HashData([.. Encoding.UTF8.GetBytes(text), .. key])[..IdBytes];
}
