using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Hosting;
using OrleansRealtime.PubSub;
using OrleansRealtime.Tests.Cluster;

namespace OrleansRealtime.Tests.PubSub;

/// <summary>A process of an application's that is part of a cluster, as far as pub/sub sees it: it has a gateway that no client comes to.</summary>
sealed class ClusterNode : IAsyncDisposable
{
    readonly WebApplication _app;

    ClusterNode(WebApplication app) => _app = app;

    public IPubSub PubSub => _app.Services.GetRequiredService<IPubSub>();

    public IGrainFactory Grains => _app.Services.GetRequiredService<IGrainFactory>();

    /// <param name="silo">Whether it is a silo as well; otherwise it is a client of those that there are.</param>
    public static async Task<ClusterNode> StartAsync(RealtimeCluster cluster, bool silo = false)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Development });
        builder.Configuration.AddInMemoryCollection([new("Realtime:Redis:ConnectionString", cluster.Redis.ConnectionString)]);
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _ = silo ? builder.AddClusterSilo() : builder.AddClusterClient();
        builder.AddRealtimeGateway();
        var app = builder.Build();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new(app);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}
