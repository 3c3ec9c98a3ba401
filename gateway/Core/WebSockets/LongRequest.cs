using System.Security.Claims;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>A request that lasts for as long as its client stays.</summary>
static class LongRequest
{
    /// <summary>
    /// Lets go of what the request's authentication holds on to: the parsed token and its handlers, several KiB that would live for
    /// as long as the connection does. The claims stay.
    /// </summary>
    public static async Task LightenAsync(this HttpContext http)
    {
        http.User = Lighten(http.User);
        var scope = http.Features.Get<IServiceProvidersFeature>();
        http.Features.Set<IServiceProvidersFeature>(new RequestServicesFeature(http, http.RequestServices.GetRequiredService<IServiceScopeFactory>()));
        await ((scope as IAsyncDisposable)?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    /// <summary>The claims alone.</summary>
    public static ClaimsPrincipal Lighten(ClaimsPrincipal user) =>
        new(new ClaimsIdentity(user.Claims.Select(c => new Claim(c.Type, c.Value, c.ValueType)), user.Identity?.AuthenticationType, "sub", "role"));
}
