using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Tests.Auth;

public sealed class AuthorityTests : IAsyncLifetime
{
    readonly RSA _rsa = RSA.Create(2048);
    readonly ECDsa _ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    WebApplication _authority = null!;
    string _url = null!;

    public async ValueTask InitializeAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        _authority = builder.Build();
        _authority.MapGet("/.well-known/openid-configuration", () => Results.Text(
            $$"""{"issuer":"{{_url}}","jwks_uri":"{{_url}}/keys"}""", "application/json"));
        RSAParameters rsa = _rsa.ExportParameters(false);
        ECParameters ec = _ec.ExportParameters(false);
        string keys = $$"""
            {"keys":[
              {"kty":"RSA","use":"sig","kid":"r","n":"{{Base64UrlEncoder.Encode(rsa.Modulus)}}","e":"{{Base64UrlEncoder.Encode(rsa.Exponent)}}"},
              {"kty":"EC","use":"sig","kid":"e","crv":"P-256","x":"{{Base64UrlEncoder.Encode(ec.Q.X)}}","y":"{{Base64UrlEncoder.Encode(ec.Q.Y)}}"},
              {"kty":"oct","use":"sig","kid":"o","k":"{{Base64UrlEncoder.Encode(Encoding.UTF8.GetBytes(Tokens.Key))}}"}
            ]}
            """;
        _authority.MapGet("/keys", () => Results.Text(keys, "application/json"));
        await _authority.StartAsync(TestContext.Current.CancellationToken);
        _url = _authority.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
    }

    public async ValueTask DisposeAsync()
    {
        await _authority.DisposeAsync();
        _rsa.Dispose();
        _ec.Dispose();
    }

    Task<AuthHost> StartAsync() => AuthHost.StartAsync("Development", new()
    {
        ["Realtime:Auth:Authority"] = _url,
        ["Realtime:Auth:Audience"] = "chat",
        ["Realtime:Store:DataFolder"] = ":memory:",
    });

    string Payload(string user) => $$"""{"sub":"{{user}}","exp":EXP,"aud":"chat","iss":"{{_url}}"}""";

    [Theory]
    [InlineData(SecurityAlgorithms.RsaSha256)]
    [InlineData(SecurityAlgorithms.RsaSsaPssSha384)]
    [InlineData(SecurityAlgorithms.EcdsaSha256)]
    public async Task The_authoritys_signatures_are_accepted(string algorithm)
    {
        await using AuthHost host = await StartAsync();
        SecurityKey key = algorithm[0] == 'E' ? new ECDsaSecurityKey(_ec) { KeyId = "e" } : new RsaSecurityKey(_rsa) { KeyId = "r" };
        string token = Tokens.Sign(Payload("ann"), key, algorithm);
        (await host.GetAsync("/api/me", token)).IsUser("ann");
        (Permissions? permissions, _) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
        Assert.Equal("ann", permissions!.UserId);
    }

    [Fact]
    public async Task A_public_key_is_no_secret_to_sign_with()
    {
        await using AuthHost host = await StartAsync();
        byte[][] published =
        [
            Encoding.UTF8.GetBytes(_rsa.ExportRSAPublicKeyPem()), Encoding.UTF8.GetBytes(_rsa.ExportSubjectPublicKeyInfoPem()),
            _rsa.ExportSubjectPublicKeyInfo(), _rsa.ExportParameters(false).Modulus!, Encoding.UTF8.GetBytes(Tokens.Key),
        ];
        foreach (byte[] secret in published)
        {
            string token = Tokens.Sign(Payload("ann"), new SymmetricSecurityKey(secret) { KeyId = "r" });
            await IsRefusedAsync(host, token, "algorithm");
        }

        await IsRefusedAsync(host, Tokens.Forge("""{"alg":"none","kid":"r"}""", Payload("ann"), ""), "not signed");
    }

    [Fact]
    public async Task Other_keys_audiences_and_issuers_are_refused()
    {
        await using AuthHost host = await StartAsync();
        using RSA other = RSA.Create(2048);
        RsaSecurityKey good = new(_rsa) { KeyId = "r" };
        await IsRefusedAsync(host, Sign(Payload("ann"), new RsaSecurityKey(other) { KeyId = "r" }), "signature is invalid");
        await IsRefusedAsync(host, Sign(Payload("ann"), new RsaSecurityKey(other) { KeyId = "x" }), "signature is invalid");
        await IsRefusedAsync(host, Sign($$"""{"sub":"ann","exp":EXP,"aud":"mail","iss":"{{_url}}"}""", good), "another audience");
        await IsRefusedAsync(host, Sign("""{"sub":"ann","exp":EXP,"aud":"chat","iss":"https://evil.example"}""", good), "another issuer");

        static string Sign(string payload, SecurityKey key) => Tokens.Sign(payload, key, SecurityAlgorithms.RsaSha256);
    }

    [Fact]
    public async Task Without_the_authoritys_keys_the_answer_is_unavailable()
    {
        await _authority.StopAsync(TestContext.Current.CancellationToken);
        await using AuthHost host = await StartAsync();
        string token = Tokens.Sign(Payload("ann"), new RsaSecurityKey(_rsa) { KeyId = "r" }, SecurityAlgorithms.RsaSha256);
        (await host.GetAsync("/api/me", token)).IsProblem(HttpStatusCode.ServiceUnavailable, "unavailable", "does not answer");
        (_, RealtimeException? error) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
        Assert.Equal(RealtimeErrorCode.Unavailable, error!.Code);
        (await host.GetAsync("/api/me", "rubbish")).IsUnauthenticated("malformed");
    }

    [Fact]
    public async Task There_are_no_development_tokens_with_an_authority()
    {
        await using AuthHost host = await StartAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await host.GetAsync("/dev/token?user=ann")).Status);
    }

    static async Task IsRefusedAsync(AuthHost host, string token, string words)
    {
        (await host.GetAsync("/api/me", token)).IsUnauthenticated(words);
        (Permissions? permissions, RealtimeException? error) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
        Assert.Null(permissions);
        Assert.Contains(words, error!.Message, StringComparison.Ordinal);
    }
}
