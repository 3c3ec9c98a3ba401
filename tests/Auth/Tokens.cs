using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace OrleansRealtime.Tests.Auth;

/// <summary>Tokens as an application, an authority or an attacker would make them.</summary>
static class Tokens
{
    public const string Key = "0123456789abcdef0123456789abcdef-the-application's-own-secret-key";

    static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public static SymmetricSecurityKey Secret(string text) => new(System.Text.Encoding.UTF8.GetBytes(text));

    public static long InAnHour => DateTimeOffset.UtcNow.AddHours(1).ToUnixTimeSeconds();

    /// <summary>Signs a payload as it is. <c>EXP</c> in it stands for a time in an hour.</summary>
    public static string Sign(string payload, SecurityKey? key = null, string algorithm = SecurityAlgorithms.HmacSha256) =>
        Handler.CreateToken(
            payload.Replace("EXP", $"{InAnHour}", StringComparison.Ordinal), new SigningCredentials(key ?? Secret(Key), algorithm));

    public static string Of(string user) => Sign($$"""{"sub":{{JsonSerializer.Serialize(user)}},"exp":EXP}""");

    /// <summary>A token with any header and any signature.</summary>
    public static string Forge(string header, string payload, string signature) =>
        $"{Base64UrlEncoder.Encode(header)}.{Base64UrlEncoder.Encode(payload.Replace("EXP", $"{InAnHour}", StringComparison.Ordinal))}.{signature}";
}

/// <summary>A clock that stands still until it is set.</summary>
sealed class HandClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override DateTimeOffset GetUtcNow() => Now;
}
