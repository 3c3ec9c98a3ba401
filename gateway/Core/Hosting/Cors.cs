using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Hosting;

/// <summary>Section <c>Realtime:Cors</c>: which other sites' pages may talk to this gateway.</summary>
public sealed class CorsSettings
{
    public const string Section = "Realtime:Cors";

    /// <summary>For example <c>https://app.example.com</c>; <c>*</c> is all of them.</summary>
    public string[] Origins { get; set; } = [];

    /// <summary>Whether these pages' requests may carry cookies (<c>withCredentials</c>). Not together with <c>*</c>.</summary>
    public bool Credentials { get; set; }
}

sealed class CorsSettingsValidator : IValidateOptions<CorsSettings>
{
    public ValidateOptionsResult Validate(string? name, CorsSettings options)
    {
        var errors = new List<string>();
        foreach (string origin in options.Origins)
        {
            if (origin != "*" && !(Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.GetLeftPart(UriPartial.Authority) == origin))
            {
                errors.Add($"{CorsSettings.Section}:Origins has '{origin}'; an origin is a scheme, a host and perhaps a port, for example https://app.example.com, or '*'.");
            }
        }

        if (options.Credentials && options.Origins.Contains("*"))
        {
            errors.Add($"{CorsSettings.Section}:Credentials is true with the origin '*', which browsers refuse; name the origins.");
        }

        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}

/// <summary>Whose pages may talk to this gateway: those of the same host, those of the settings, and in Development, where these name none, those of any local port.</summary>
sealed class AllowedOrigins(IOptions<CorsSettings> settings, IHostEnvironment environment)
{
    readonly string[] _origins = settings.Value.Origins;
    readonly bool _local = environment.IsDevelopment() && settings.Value.Origins.Length == 0;

    /// <summary>
    /// Whether a request may come from where it does. CORS alone does not say: browsers ask it neither for WebSockets nor before they
    /// post plain text. Whoever is no browser sends no origin.
    /// </summary>
    public bool Allow(HttpRequest request) => request.Headers.Origin is not [{ Length: > 0 } origin]
        || (Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase))
        || Allow(origin);

    /// <summary>Whether another site's pages may.</summary>
    public bool Allow(string origin) => Array.IndexOf(_origins, "*") >= 0
        || Array.FindIndex(_origins, o => o.Equals(origin, StringComparison.OrdinalIgnoreCase)) >= 0
        || (_local && Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.IsLoopback);
}

static class CorsSetup
{
    public static IServiceCollection AddGatewayCors(this IServiceCollection services)
    {
        services.AddOptions<CorsSettings>().BindConfiguration(CorsSettings.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<CorsSettings>, CorsSettingsValidator>();
        services.AddSingleton<AllowedOrigins>();
        services.AddCors();
        services.AddOptions<CorsOptions>().Configure<AllowedOrigins, IOptions<CorsSettings>>((cors, origins, settings) => cors.AddDefaultPolicy(policy =>
        {
            policy.SetIsOriginAllowed(origins.Allow).AllowAnyHeader().AllowAnyMethod().WithExposedHeaders("Retry-After");
            if (settings.Value.Credentials)
            {
                policy.AllowCredentials();
            }
        }));
        return services;
    }
}
