using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Auth;

/// <param name="ExpiresAt">In UTC.</param>
internal sealed record DevToken(string Token, DateTime ExpiresAt);

/// <summary>Tokens for trying things out, signed with the gateway's own key.</summary>
internal sealed class DevTokens(IOptions<AuthOptions> options, SigningKey key, IHostEnvironment environment, TimeProvider time)
{
    public static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(365);

    readonly JsonWebTokenHandler _handler = new() { SetDefaultTimesOnTokenCreation = false };

    public bool Allowed => options.Value.AllowDevTokens ?? (environment.IsDevelopment() && options.Value.Authority is null);

    /// <param name="join">Patterns as they are; null leaves the claim out, an empty list allows no room.</param>
    /// <param name="publish">As <paramref name="join"/>.</param>
    /// <param name="jobs">As <paramref name="join"/>, of jobs.</param>
    /// <param name="lifetime">Null: <see cref="AuthOptions.DevTokenLifetime"/>.</param>
    public DevToken Create(string user, string[] roles, string[]? join, string[]? publish, string[]? jobs, TimeSpan? lifetime)
    {
        AuthOptions auth = options.Value;
        DateTime now = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds()).UtcDateTime; // JWT times are whole seconds.
        DateTime expiresAt = now + (lifetime ?? auth.DevTokenLifetime);
        Dictionary<string, object> claims = new() { ["sub"] = user };
        if (roles.Length > 0)
        {
            claims[auth.RoleClaimNames[0]] = roles;
        }

        if (join is not null)
        {
            claims[Permissions.JoinClaim] = join;
        }

        if (publish is not null)
        {
            claims[Permissions.PublishClaim] = publish;
        }

        if (jobs is not null)
        {
            claims[Permissions.JobsClaim] = jobs;
        }

        string token = _handler.CreateToken(new SecurityTokenDescriptor
        {
            Claims = claims,
            IssuedAt = now,
            Expires = expiresAt,
            Issuer = auth.Issuer,
            Audience = auth.Audience == AuthOptions.AnyAudience ? null : auth.Audience,
            SigningCredentials = new(key.Key!, SecurityAlgorithms.HmacSha256),
        });
        return new(token, expiresAt);
    }
}

public static partial class DevTokenEndpoint
{
    /// <summary>
    /// <c>GET /dev/token?user=ann</c>, where <see cref="AuthOptions.AllowDevTokens"/> allows it; elsewhere the route does not exist.
    /// Optional: <c>role</c>, <c>join</c>, <c>publish</c>, <c>jobs</c> (each may be repeated; <c>join=</c> alone allows no room) and <c>expiresIn</c>
    /// in seconds.
    /// </summary>
    public static IEndpointRouteBuilder MapDevTokens(this IEndpointRouteBuilder endpoints)
    {
        DevTokens tokens = endpoints.ServiceProvider.GetRequiredService<DevTokens>();
        if (tokens.Allowed)
        {
            LogOpen(endpoints.ServiceProvider.GetRequiredService<ILogger<DevTokens>>());
            endpoints.MapGet("/dev/token", Get).AllowAnonymous().ExcludeFromDescription();
        }

        return endpoints;

        Results<JsonHttpResult<DevToken>, ProblemHttpResult> Get(
            HttpResponse response, string? user, string[]? role, string[]? join, string[]? publish, string[]? jobs, string? expiresIn)
        {
            TimeSpan? lifetime = null;
            if (!RoomName.TryCheckName(user, "The parameter 'user'", out string? error))
            {
                return Invalid(error);
            }

            foreach (string each in role ?? [])
            {
                if (!RoomName.TryCheckName(each, "The parameter 'role'", out error))
                {
                    return Invalid(error);
                }
            }

            if (!string.IsNullOrEmpty(expiresIn))
            {
                if (!int.TryParse(expiresIn, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds)
                    || seconds < 1 || seconds > DevTokens.MaxLifetime.TotalSeconds)
                {
                    return Invalid($"The parameter 'expiresIn' must be a number of seconds from 1 to {DevTokens.MaxLifetime.TotalSeconds}.");
                }

                lifetime = TimeSpan.FromSeconds(seconds);
            }

            response.Headers.CacheControl = "no-store";
            return TypedResults.Json(
                tokens.Create(user, role ?? [], Patterns(join), Patterns(publish), Patterns(jobs), lifetime), AuthJson.Default.DevToken);
        }
    }

    /// <summary>Binding gives an empty array for a parameter that is not there.</summary>
    static string[]? Patterns(string[]? given) => given is null or [] ? null : [.. given.Where(p => p.Length > 0)];

    static ProblemHttpResult Invalid(string why) => TypedResults.Problem(new RealtimeException(RealtimeErrorCode.InvalidArgument, why).ToProblem());

    [LoggerMessage(LogLevel.Warning, "DEVELOPMENT TOKENS ARE ON: anyone who can reach this port can get a token of any user, administrators "
        + "included, from GET /dev/token. Set Realtime:Auth:AllowDevTokens to false, or do not run in Development, to turn them off.")]
    static partial void LogOpen(ILogger log);
}
