using OrleansRealtime;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Hosting;

return await HostStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.UseDefaultAddress();
    builder.AddEmbeddedSilo();
    builder.AddRealtimeGateway();

    var app = builder.Build();
    app.UsePage();
    app.MapRealtimeGateway();
    return app;
});
