using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// From a token to <see cref="Permissions"/>, by the same rules for a request's token and for one that a connection hands in later.
/// </summary>
public sealed class TokenValidation(
    IOptionsMonitor<JwtBearerOptions> bearer, IOptions<AuthOptions> auth, IOptions<NamespaceOptions> namespaces)
{
    /// <summary>Characters. As much as Kestrel takes for all headers together.</summary>
    const int MaxTokenLength = 32 * 1024;

    /// <summary>Validates a token as the request pipeline does.</summary>
    /// <returns>
    /// The permissions, or else the error: <see cref="RealtimeErrorCode.Unauthenticated"/>, or <see cref="RealtimeErrorCode.Unavailable"/> where the
    /// authority's keys cannot be had.
    /// </returns>
    public async Task<(Permissions? Permissions, RealtimeException? Error)> ValidateAsync(
        string? token, CancellationToken cancellation = default)
    {
        if (string.IsNullOrEmpty(token))
        {
            return (null, TokenErrors.NoToken);
        }

        if (await InspectAsync(token, cancellation) is { } refused)
        {
            return (null, refused);
        }

        JwtBearerOptions options = Options;
        TokenValidationParameters parameters = options.TokenValidationParameters.Clone();
        parameters.ConfigurationManager = options.ConfigurationManager as BaseConfigurationManager;
        TokenValidationResult result = await options.TokenHandlers[0].ValidateTokenAsync(token, parameters);
        if (result.IsValid)
        {
            return Accept(new ClaimsPrincipal(result.ClaimsIdentity), result.SecurityToken);
        }

        if (result.Exception is SecurityTokenSignatureKeyNotFoundException)
        {
            options.ConfigurationManager?.RequestRefresh(); // The authority may have rolled its keys; the manager limits how often.
        }

        return (null, TokenErrors.Explain(result.Exception));
    }

    /// <summary>What an already authenticated principal may do; for one of this gateway's tokens this does not fail.</summary>
    public (Permissions? Permissions, RealtimeException? Error) Read(ClaimsPrincipal principal)
    {
        try
        {
            return Permissions.Read(principal, auth.Value, namespaces.Value);
        }
        catch (JsonException)
        {
            return (null, TokenErrors.MalformedPatterns);
        }
    }

    JwtBearerOptions Options => bearer.Get(JwtBearerDefaults.AuthenticationScheme);

    /// <summary>What can be said before any cryptography: is it a token, is it signed, with an algorithm we accept, are there keys?</summary>
    internal async ValueTask<RealtimeException?> InspectAsync(string token, CancellationToken cancellation)
    {
        JsonWebToken jwt;
        try
        {
            if (token.Length > MaxTokenLength)
            {
                return TokenErrors.Malformed;
            }

            jwt = new(token);
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException or JsonException or FormatException)
        {
            return TokenErrors.Malformed;
        }

        JwtBearerOptions options = Options;
        if (string.IsNullOrEmpty(jwt.EncodedSignature)
            || string.Equals(jwt.Alg, SecurityAlgorithms.None, StringComparison.OrdinalIgnoreCase))
        {
            return TokenErrors.Unsigned;
        }

        if (options.TokenValidationParameters.ValidAlgorithms?.Contains(jwt.Alg) == false)
        {
            return TokenErrors.Algorithm;
        }

        if (options.ConfigurationManager is { } authority)
        {
            try
            {
                await authority.GetConfigurationAsync(cancellation); // Cached; only the first one, and refreshes, go out.
            }
            catch (Exception) when (!cancellation.IsCancellationRequested)
            {
                return TokenErrors.NoAuthority;
            }
        }

        return null;
    }

    /// <summary>What a token whose signature, times, issuer and audience are good must have besides.</summary>
    internal (Permissions? Permissions, RealtimeException? Error) Accept(ClaimsPrincipal principal, SecurityToken token)
    {
        if (principal.Identity is not ClaimsIdentity identity || token is not JsonWebToken jwt)
        {
            return (null, TokenErrors.Malformed);
        }

        if (!TryKeepPatterns(identity, jwt))
        {
            return (null, TokenErrors.MalformedPatterns);
        }

        // For [Authorize(Roles = ...)], which knows one claim type.
        foreach (string type in auth.Value.RoleClaimNames)
        {
            if (type != identity.RoleClaimType)
            {
                identity.AddClaims([.. identity.FindAll(type).Select(c => new Claim(identity.RoleClaimType, c.Value))]);
            }
        }

        return Read(principal);
    }

    /// <summary>
    /// Claims have lost whether a text was alone or in an array, and an empty array altogether; but <c>"a b"</c> is two patterns,
    /// <c>["a b"]</c> is one, and <c>[]</c> allows nothing where an absent claim allows all. So these are kept as the token has them.
    /// </summary>
    static bool TryKeepPatterns(ClaimsIdentity identity, JsonWebToken jwt)
    {
        using JsonDocument payload = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(jwt.EncodedPayload));
        foreach (string type in (ReadOnlySpan<string>)[Permissions.JoinClaim, Permissions.PublishClaim, Permissions.JobsClaim])
        {
            foreach (Claim flattened in identity.FindAll(type).ToArray())
            {
                identity.RemoveClaim(flattened);
            }

            if (!payload.RootElement.TryGetProperty(type, out JsonElement value))
            {
                continue;
            }

            if (value.ValueKind == JsonValueKind.String)
            {
                identity.AddClaim(new(type, value.GetString()!));
            }
            else if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String))
            {
                identity.AddClaim(new(type, value.GetRawText(), JsonClaimValueTypes.JsonArray));
            }
            else
            {
                return false;
            }
        }

        return true;
    }
}

public static class HttpContextPermissions
{
    /// <summary>What the request's user may do.</summary>
    /// <exception cref="RealtimeException"><see cref="RealtimeErrorCode.Unauthenticated"/>: there is no user, or none with a usable id.</exception>
    public static Permissions GetPermissions(this HttpContext context)
    {
        if (context.User.Identity?.IsAuthenticated != true)
        {
            throw TokenErrors.NoToken;
        }

        (Permissions? permissions, RealtimeException? error) =
            context.RequestServices.GetRequiredService<TokenValidation>().Read(context.User);
        return permissions ?? throw error!;
    }
}
