using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Who a request's own token (header or query) is of; nobody, or what is wrong with it.</summary>
sealed record EngineIdentity(Permissions? User, RealtimeException? Error)
{
    static readonly EngineIdentity s_nobody = new(null, null);

    public static async Task<EngineIdentity> OfAsync(HttpContext http)
    {
        var result = await http.AuthenticateAsync();
        if (result.Succeeded)
        {
            var (user, error) = http.RequestServices.GetRequiredService<TokenValidation>().Read(result.Principal);
            return new(user, error);
        }

        return result.Failure is { } failure ? new(null, TokenErrors.Explain(failure)) : s_nobody;
    }
}
