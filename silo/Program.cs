using OrleansRealtime.Hosting;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.AddLocalhostSilo();
    return builder.Build();
});
