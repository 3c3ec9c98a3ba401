using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Rest;

/// <summary>The directory of public keys as REST.</summary>
static class RestKeys
{
    public static void MapKeys(this IEndpointRouteBuilder users)
    {
        users.MapGet("/{user}/keys", async (string user, KeyOperations keys, CancellationToken cancellationToken) =>
                TypedResults.Ok(await keys.KeysAsync(RestGateway.Unescape(user), cancellationToken)))
            .WithName("userKeys").WithSummary("Lists the public keys of a user's devices, the newest first");
        users.MapPut("/{user}/keys/{key}", async (string user, string key, HttpContext http, KeyOperations keys, CancellationToken cancellationToken) =>
                TypedResults.Ok(await keys.PutAsync(http.GetPermissions(), RestGateway.Unescape(user), key, cancellationToken)))
            .WithName("putKey").WithSummary("Announces a public key of one's own");
        users.MapDelete("/{user}/keys/{key}", async (string user, string key, HttpContext http, KeyOperations keys, CancellationToken cancellationToken) =>
                TypedResults.Ok(await keys.RemoveAsync(http.GetPermissions(), RestGateway.Unescape(user), key, cancellationToken)))
            .WithName("removeKey").WithSummary("Removes a public key of one's own");
    }
}
