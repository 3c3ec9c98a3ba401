using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>Each failure is a sentence that names the setting. None holds the key.</summary>
internal sealed class AuthOptionsValidator(IHostEnvironment environment) : IValidateOptions<AuthOptions>
{
    public ValidateOptionsResult Validate(string? name, AuthOptions options)
    {
        List<string> failures = [.. Keys(options), .. Authorities(options), .. TheRest(options)];
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    IEnumerable<string> Keys(AuthOptions options)
    {
        if (options.Key is null && options.Authority is null && !environment.IsDevelopment())
        {
            yield return "Tokens cannot be checked: set Realtime:Auth:Key (a secret of at least 32 bytes that signs tokens) or "
                + "Realtime:Auth:Authority (the URL of an OpenID Connect server). Only in Development "
                + "(ASPNETCORE_ENVIRONMENT=Development) is a key made where neither is set.";
        }

        if (options.Key is not null && options.Authority is not null)
        {
            yield return "Realtime:Auth:Key and Realtime:Auth:Authority are both set; set the one whose tokens are to be accepted.";
        }

        if (options.Key is not null && !SigningKey.TryParse(options.Key, out _, out string? error))
        {
            yield return $"Realtime:Auth:Key {error}";
        }
    }

    IEnumerable<string> Authorities(AuthOptions options)
    {
        if (options.Authority is null)
        {
            if (options.MetadataAddress is not null)
            {
                yield return "Realtime:Auth:MetadataAddress is set without Realtime:Auth:Authority, which it belongs to.";
            }

            yield break;
        }

        bool https = options.RequireHttpsMetadata ?? !environment.IsDevelopment();
        foreach ((string setting, string? url) in new[] { ("Authority", options.Authority), ("MetadataAddress", options.MetadataAddress) })
        {
            if (url is not null && (!Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) || uri.Scheme is not ("https" or "http")))
            {
                yield return $"Realtime:Auth:{setting} is '{url}'; it must be an absolute https:// URL.";
            }
            else if (https && (setting == "MetadataAddress" || options.MetadataAddress is null)
                && url?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) == false)
            {
                yield return $"Realtime:Auth:{setting} is '{url}'; it must be an https:// URL, "
                    + "unless Realtime:Auth:RequireHttpsMetadata is false.";
            }
        }

        if (options.Audience is null)
        {
            yield return "Realtime:Auth:Audience must be set with Realtime:Auth:Authority: without it a token that the authority issued for "
                + "any other application would be accepted. '*' accepts those knowingly.";
        }
    }

    static IEnumerable<string> TheRest(AuthOptions options)
    {
        if (options.AllowDevTokens == true && options.Authority is not null)
        {
            yield return "Realtime:Auth:AllowDevTokens is true with Realtime:Auth:Authority; only the authority can sign tokens then.";
        }

        if (options.DevTokenLifetime < TimeSpan.FromSeconds(1) || options.DevTokenLifetime > DevTokens.MaxLifetime)
        {
            yield return $"Realtime:Auth:DevTokenLifetime is {options.DevTokenLifetime}; it must be from one second to "
                + $"{DevTokens.MaxLifetime.TotalDays} days.";
        }

        if (options.RoleClaims is { } claims && (claims.Length == 0 || claims.Any(string.IsNullOrWhiteSpace)))
        {
            yield return "Realtime:Auth:RoleClaims must name at least one claim, and none may be empty.";
        }

        foreach (string path in options.QueryTokenPaths)
        {
            if (path is not ['/', .., not '/'])
            {
                yield return $"Realtime:Auth:QueryTokenPaths has '{path}'; a path starts with '/' and does not end with one.";
            }
        }
    }
}
