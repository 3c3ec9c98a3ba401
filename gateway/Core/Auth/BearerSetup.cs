using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>Makes ASP.NET Core's bearer handler accept what <see cref="AuthOptions"/> says, and answer with problem details.</summary>
internal sealed class BearerSetup(IOptions<AuthOptions> options, SigningKey key, IHostEnvironment environment, TimeProvider time)
    : IConfigureNamedOptions<JwtBearerOptions>
{
    /// <summary>What clocks may differ by. A connection ends at <c>exp</c> itself.</summary>
    static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(5);

    static readonly string[] Symmetric = [SecurityAlgorithms.HmacSha256, SecurityAlgorithms.HmacSha384, SecurityAlgorithms.HmacSha512];

    static readonly string[] Asymmetric =
    [
        SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
        SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
        SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
    ];

    public void Configure(JwtBearerOptions options) => Configure(Options.DefaultName, options);

    public void Configure(string? name, JwtBearerOptions bearer)
    {
        if (name != JwtBearerDefaults.AuthenticationScheme)
        {
            return;
        }

        // All of it is set, so that a leftover 'Authentication:Schemes:Bearer' section has no say.
        AuthOptions auth = options.Value;
        bearer.Authority = auth.Authority;
        bearer.MetadataAddress = auth.MetadataAddress!;
        bearer.RequireHttpsMetadata = auth.RequireHttpsMetadata ?? !environment.IsDevelopment();
        bearer.BackchannelTimeout = TimeSpan.FromSeconds(10); // A client waits for it: not the default minute.
        bearer.Audience = null;
        bearer.MapInboundClaims = false;
        bearer.SaveToken = false; // A connection would hold on to it for its life.
        bearer.TimeProvider = time;

        string? audience = auth.Audience == AuthOptions.AnyAudience ? null : auth.Audience;
        bearer.TokenValidationParameters = new()
        {
            NameClaimType = "sub",
            RoleClaimType = "role",
            RequireSignedTokens = true,
            ValidateIssuerSigningKey = true,
            IssuerSigningKey = key.Key,
            ValidAlgorithms = key.Key is null ? Asymmetric : Symmetric,
            ValidateIssuer = auth.Authority is not null || auth.Issuer is not null,
            ValidIssuer = auth.Issuer,
            ValidateAudience = audience is not null,
            ValidAudience = audience,
            ValidateLifetime = true,
            RequireExpirationTime = true,
            ClockSkew = ClockSkew,
            LifetimeValidator = (notBefore, expires, _, _) => CheckLifetime(notBefore, expires),
        };

        bearer.Events = new()
        {
            OnMessageReceived = ReceiveAsync,
            OnTokenValidated = Accept,
            OnChallenge = ChallengeAsync,
            OnForbidden = context => WriteAsync(
                context.HttpContext, new(RealtimeErrorCode.NotAllowed, "The token does not allow this.")),
        };
    }

    /// <summary>As the library's own check, by our clock.</summary>
    bool CheckLifetime(DateTime? notBefore, DateTime? expires)
    {
        DateTime now = time.GetUtcNow().UtcDateTime;
        if (expires is null)
        {
            throw new SecurityTokenNoExpirationException();
        }

        if (expires < now - ClockSkew)
        {
            throw new SecurityTokenExpiredException();
        }

        return notBefore is null || notBefore <= now + ClockSkew ? true : throw new SecurityTokenNotYetValidException();
    }

    static async Task ReceiveAsync(MessageReceivedContext context)
    {
        IServiceProvider services = context.HttpContext.RequestServices;
        string? inQuery = services.GetRequiredService<QueryToken>().Take(context.HttpContext);
        string? token = InHeader(context.Request) ?? inQuery;
        if (string.IsNullOrEmpty(token))
        {
            context.NoResult();
            return;
        }

        context.Token = token;
        if (await services.GetRequiredService<TokenValidation>().InspectAsync(token, context.HttpContext.RequestAborted) is { } refused)
        {
            context.Fail(refused);
        }
    }

    static string? InHeader(HttpRequest request)
    {
        const string scheme = "Bearer ";
        string? header = request.Headers.Authorization;
        return header?.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) == true ? header[scheme.Length..].Trim() : null;
    }

    static Task Accept(TokenValidatedContext context)
    {
        TokenValidation validation = context.HttpContext.RequestServices.GetRequiredService<TokenValidation>();
        if (validation.Accept(context.Principal!, context.SecurityToken).Error is { } refused)
        {
            context.Fail(refused);
        }

        return Task.CompletedTask;
    }

    static Task ChallengeAsync(JwtBearerChallengeContext context)
    {
        context.HandleResponse();
        RealtimeException error = context.AuthenticateFailure is { } failure ? TokenErrors.Explain(failure) : TokenErrors.NoToken;
        if (error.Code == RealtimeErrorCode.Unauthenticated)
        {
            // RFC 6750 section 3.1: without a token there is no error code.
            context.Response.Headers.WWWAuthenticate = context.AuthenticateFailure is null
                ? "Bearer"
                : $"Bearer error=\"invalid_token\", error_description=\"{error.Message}\"";
        }

        return WriteAsync(context.HttpContext, error);
    }

    static Task WriteAsync(HttpContext context, RealtimeException error)
    {
        context.Response.StatusCode = error.Code.HttpStatus();
        return context.Response.WriteAsJsonAsync(
            error.ToProblem(), AuthJson.Default.ProblemDetails, "application/problem+json", context.RequestAborted);
    }
}
