using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Hosting;

var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
builder.UseDefaultAddress();
builder.AddEmbeddedSilo();
builder.AddRealtimeGateway();

var app = builder.Build();
app.UsePage();
app.MapRealtimeGateway();
await app.RunOrExplainAsync();
