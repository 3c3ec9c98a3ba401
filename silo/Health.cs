using OrleansRealtime.Channels;

namespace OrleansRealtime;

/// <summary>
/// The silo's only HTTP endpoints, for an orchestrator. They answer once the silo is part of its cluster; one whose message log is away
/// is degraded and still ready.
/// </summary>
static class Health
{
    /// <summary>The endpoints need a port, and nobody needs to know which where nothing says so.</summary>
    public static void UseAnyLoopbackPort(this WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (configuration[WebHostDefaults.ServerUrlsKey] is null && configuration["HTTP_PORTS"] is null)
        {
            builder.WebHost.UseUrls("http://127.0.0.1:0");
        }
    }

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health/live", () => TypedResults.Ok(new HealthReport("healthy", [])));
        app.MapGet("/health/startup", Report);
        app.MapGet("/health/ready", Report);
    }

    static IResult Report(IChannelStore store, IHostApplicationLifetime lifetime) =>
        lifetime.ApplicationStopping.IsCancellationRequested
            ? TypedResults.Json(new HealthReport("draining", ["The silo is shutting down."]), statusCode: StatusCodes.Status503ServiceUnavailable)
        : store.IsAvailable ? TypedResults.Ok(new HealthReport("healthy", []))
        : TypedResults.Ok(new HealthReport("degraded", ["The message log is not available: nothing can be published."]));
}

/// <param name="Status"><c>healthy</c>, <c>degraded</c> or <c>draining</c>.</param>
/// <param name="Problems">A sentence for each thing that is not as it should be.</param>
sealed record HealthReport(string Status, IReadOnlyList<string> Problems);
