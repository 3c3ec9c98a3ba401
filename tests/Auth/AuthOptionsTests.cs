using Microsoft.Extensions.Options;

namespace OrleansRealtime.Tests.Auth;

public sealed class AuthOptionsTests
{
    const string Authority = "Authority=https://login.example";

    [Theory]
    [InlineData("Production", "Realtime:Auth:Key,Realtime:Auth:Authority")]
    [InlineData("Staging", "Realtime:Auth:Key,Realtime:Auth:Authority", "Key=")]
    [InlineData("Development", "Realtime:Auth:Key and Realtime:Auth:Authority", Authority, "Audience=chat", "Key=" + Tokens.Key)]
    [InlineData("Development", "Realtime:Auth:Key,too short,12 bytes", "Key=short secret")]
    [InlineData("Development", "Realtime:Auth:Key,too short,31 bytes", "Key=1234567890123456789012345678901")]
    [InlineData("Production", "Realtime:Auth:Key,not base64", "Key=base64:???")]
    [InlineData("Production", "Realtime:Auth:Key,too short,24 bytes", "Key=base64:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")]
    [InlineData("Production", "Realtime:Auth:Authority,https", "Authority=login", "Audience=chat")]
    [InlineData("Production", "Realtime:Auth:Authority,https,RequireHttpsMetadata", "Authority=http://login.example", "Audience=chat")]
    [InlineData("Production", "Realtime:Auth:MetadataAddress,https", Authority, "MetadataAddress=http://x", "Audience=chat")]
    [InlineData("Production", "Realtime:Auth:MetadataAddress", "MetadataAddress=https://x", "Key=" + Tokens.Key)]
    [InlineData("Production", "Realtime:Auth:Audience", Authority)]
    [InlineData("Production", "Realtime:Auth:AllowDevTokens", Authority, "Audience=chat", "AllowDevTokens=true")]
    [InlineData("Development", "Realtime:Auth:DevTokenLifetime", "DevTokenLifetime=00:00:00")]
    [InlineData("Development", "Realtime:Auth:RoleClaims", "RoleClaims:0= ")]
    [InlineData("Development", "Realtime:Auth:QueryTokenPaths", "QueryTokenPaths:0=hub")]
    [InlineData("Development", "Realtime:Auth:QueryTokenPaths", "QueryTokenPaths:0=/")]
    [InlineData("Development", "Realtime:Namespaces:Admin", "../Namespaces:Admin:0=admin")]
    public async Task A_bad_setting_stops_the_start_with_a_sentence_that_names_it(string environment, string words, params string[] settings)
    {
        OptionsValidationException e = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync(environment, settings));
        Assert.All(words.Split(','), word => Assert.Contains(word, e.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("short secret", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Production", "Key=12345678901234567890123456789012")]
    [InlineData("Production", "Key=ééééééééééééééééé")]
    [InlineData("Production", Authority, "Audience=*")]
    [InlineData("Production", "Authority=http://login.example", "Audience=chat", "RequireHttpsMetadata=false")]
    [InlineData("Production", "Authority=http://issuer.example", "MetadataAddress=https://x/y", "Audience=chat")]
    [InlineData("Development", "Authority=http://login.example", "Audience=chat")]
    [InlineData("Development", "Key=")]
    public async Task Good_settings_start(string environment, params string[] settings)
    {
        await using AuthHost host = await StartAsync(environment, settings);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await host.GetAsync("/api/me")).Status);
    }

    static Task<AuthHost> StartAsync(string environment, string[] settings)
    {
        IEnumerable<KeyValuePair<string, string?>> pairs = settings
            .Select(s => s.Split('=', 2))
            .Select(s => KeyValuePair.Create(s[0].StartsWith("../", StringComparison.Ordinal) ? $"Realtime:{s[0][3..]}" : $"Realtime:Auth:{s[0]}", (string?)s[1]));
        return AuthHost.StartAsync(environment, new(pairs.Append(new("Realtime:Store:DataFolder", ":memory:"))));
    }
}
