using OrleansRealtime;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Hosting;
using OrleansRealtime.Jobs;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.UseDefaultAddress();
    builder.WebHost.ConfigureKestrel(kestrel => kestrel.UseWebSocketHandover());
    _ = builder.Configuration.IsCluster() ? builder.AddClusterClient() : builder.AddEmbeddedSilo().AddJobs(Deployments.Add);
    builder.AddRealtimeGateway();

    var app = builder.Build();
    app.UsePage();
    app.MapRealtimeGateway();
    return app;
});
