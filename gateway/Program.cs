using Microsoft.Extensions.Options;
using OrleansRealtime;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Hosting;

return await ProcessStart.RunOrExplainAsync(() =>
{
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
    builder.UseDefaultAddress();
    _ = builder.Configuration["Realtime:Silo"] switch
    {
        null or "" or "embedded" => builder.AddEmbeddedSilo(),
        "localhost" => builder.AddLocalhostClient(),
        var other => throw new OptionsValidationException(
            "Realtime:Silo", typeof(string), [$"Realtime:Silo must be 'embedded' or 'localhost', not '{other}'."]),
    };
    builder.AddRealtimeGateway();

    var app = builder.Build();
    app.UsePage();
    app.MapRealtimeGateway();
    return app;
});
