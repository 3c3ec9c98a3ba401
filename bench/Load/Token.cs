using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace OrleansRealtime.Bench;

/// <summary>Tokens as the application's own server would issue them, with the key that the gateways were given (RFC 7515, HS256).</summary>
static class Token
{
    static readonly string s_head = Base64Url.EncodeToString("""{"alg":"HS256","typ":"JWT"}"""u8);

    public static string For(string user, string key)
    {
        long expires = DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds();
        string signed = s_head + "." + Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"sub":"{{user}}","exp":{{expires}}}"""));
        return signed + "." + Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(signed)));
    }
}
