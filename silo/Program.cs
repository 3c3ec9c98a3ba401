using OrleansRealtime;
using OrleansRealtime.Hosting;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.UseAnyLoopbackPort();
    builder.AddClusterSilo();

    var app = builder.Build();
    app.MapHealth();
    return app;
});
