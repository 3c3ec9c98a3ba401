using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Hosting;

/// <summary>
/// What a load balancer and an orchestrator ask. A gateway whose cluster or log is away is degraded and still ready: its
/// connections are better off where they are.
/// </summary>
static class HealthEndpoints
{
    public static void MapHealth(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/health/live", () => TypedResults.Ok(new HealthReport("healthy", []))).ExcludeFromDescription();
        endpoints.MapGet("/health/startup", (GatewayHealth health) => Report(health)).ExcludeFromDescription();
        endpoints.MapGet("/health/ready", (GatewayHealth health) => Report(health)).ExcludeFromDescription();
    }

    static IResult Report(GatewayHealth health) => health switch
    {
        { IsShuttingDown: true } => TypedResults.Json(
            new HealthReport("draining", ["The gateway is shutting down."]), statusCode: StatusCodes.Status503ServiceUnavailable),
        { Problems: { Count: > 0 } problems } => TypedResults.Ok(new HealthReport("degraded", problems)),
        _ => TypedResults.Ok(new HealthReport("healthy", [])),
    };
}

/// <param name="Status"><c>healthy</c>, <c>degraded</c> or <c>draining</c>.</param>
/// <param name="Problems">A sentence for each thing that is not as it should be.</param>
sealed record HealthReport(string Status, IReadOnlyList<string> Problems);
