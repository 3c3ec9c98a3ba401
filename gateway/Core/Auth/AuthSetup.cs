using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Auth;

public static class AuthSetup
{
    /// <summary>
    /// Bearer tokens by <see cref="AuthOptions"/>, as the default authentication scheme, and <see cref="TokenValidation"/>. The start stops
    /// where the settings do not say whose tokens to accept.
    /// </summary>
    public static IHostApplicationBuilder AddRealtimeAuth(this IHostApplicationBuilder builder)
    {
        IServiceCollection services = builder.Services;
        services.AddOptions<AuthOptions>().BindConfiguration(AuthOptions.Section).PostConfigure(ForgetEmpty).ValidateOnStart();
        services.AddSingleton<IValidateOptions<AuthOptions>, AuthOptionsValidator>();
        services.AddOptions<NamespaceOptions>().BindConfiguration(NamespaceOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<NamespaceOptions>, NamespaceOptionsValidator>();

        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<SigningKey>();
        services.AddSingleton<DevTokens>();
        services.AddSingleton<TokenValidation>();

        services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer();
        services.AddSingleton<IConfigureOptions<JwtBearerOptions>, BearerSetup>();
        services.AddAuthorization();
        services.AddHostedService<SettleKeyOnStart>();

        services.AddSingleton<QueryToken>();
        services.AddSingleton<IStartupFilter>(provider => provider.GetRequiredService<QueryToken>());
        services.AddSingleton<IPostConfigureOptions<LoggerFilterOptions>, QuietRequestLogs>();
        return builder;
    }

    /// <summary>An environment variable without a value, as templates leave them, is a setting that is not there.</summary>
    static void ForgetEmpty(AuthOptions options)
    {
        options.Key = NotEmpty(options.Key);
        options.Authority = NotEmpty(options.Authority);
        options.MetadataAddress = NotEmpty(options.MetadataAddress);
        options.Audience = NotEmpty(options.Audience);
        options.Issuer = NotEmpty(options.Issuer);

        static string? NotEmpty(string? setting) => string.IsNullOrWhiteSpace(setting) ? null : setting;
    }

    /// <summary>A key that cannot be read or kept stops the start, not the first request.</summary>
    sealed class SettleKeyOnStart(IOptionsMonitor<JwtBearerOptions> bearer) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            bearer.Get(JwtBearerDefaults.AuthenticationScheme);
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
