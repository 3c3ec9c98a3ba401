using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry.Metrics;

namespace OrleansRealtime.Gateway.Metrics;

static class MetricsEndpoint
{
    public const string Path = "/metrics", SummaryPath = "/metrics/summary";

    public static IServiceCollection AddGatewayMetrics(this IServiceCollection services)
    {
        services.AddSingleton<GatewayMetrics>();
        services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(GatewayMetrics.MeterName).AddPrometheusExporter());
        return services;
    }

    public static void MapGatewayMetrics(this WebApplication app)
    {
        app.MapPrometheusScrapingEndpoint(Path);
        app.MapGet(SummaryPath, (GatewayMetrics metrics) => TypedResults.Ok(metrics.Totals.Read()))
            .WithName("metricsSummary").WithTags("Metrics").WithSummary("Tells what this gateway has done since its start");
    }
}
