using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Rest;

namespace OrleansRealtime.Gateway.Jobs;

/// <summary>Jobs as REST (docs/jobs.md).</summary>
static class RestJobs
{
    public static void MapJobs(this IEndpointRouteBuilder jobs)
    {
        jobs.MapPost("/{name}", async (
                string name, HttpContext http, JobOperations operations, IOptions<GatewayOptions> options,
                [FromHeader(Name = "Idempotency-Key")] string? idempotencyKey, bool cancelWhenUnwatched = false) =>
            {
                var input = await RestRequests.ReadDataAsync(http.Request, options.Value.MaxPayloadBytes);
                var job = await operations.StartAsync(
                    http.GetPermissions(), RestGateway.Unescape(name), input, new(idempotencyKey, cancelWhenUnwatched), http.RequestAborted);
                return TypedResults.Accepted($"/api/jobs/{job.Id}", job);
            })
            .WithName("startJob")
            .WithSummary("Starts a job")
            .WithDescription("The body is the job's input. With the same Idempotency-Key a second start is the first one's job.")
            .Accepts<JsonElement>(isOptional: true, "application/json");
        jobs.MapGet("/{id}", async (string id, JobOperations operations, CancellationToken cancellationToken) =>
                TypedResults.Ok(await operations.DescribeAsync(id, cancellationToken)))
            .WithName("job").WithSummary("Tells what has become of a job");
        jobs.MapDelete("/{id}", async (string id, HttpContext http, JobOperations operations, CancellationToken cancellationToken) =>
                TypedResults.Ok(await operations.CancelAsync(http.GetPermissions(), id, cancellationToken)))
            .WithName("cancelJob").WithSummary("Cancels a job");
    }
}
