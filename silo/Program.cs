using OrleansRealtime.Hosting;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.AddClusterSilo();
    return builder.Build();
});
