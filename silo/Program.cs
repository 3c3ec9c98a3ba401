using OrleansRealtime;
using OrleansRealtime.Hosting;
using OrleansRealtime.Jobs;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.UseAnyLoopbackPort();
    builder.AddClusterSilo().AddJobs(Deployments.Add);

    var app = builder.Build();
    app.MapHealth();
    return app;
});
