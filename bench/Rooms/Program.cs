using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Bench;
using OrleansRealtime.Hosting;

// Settings: Realtime:Redis:ConnectionString as everywhere, and --Silo PID --Redis PID [--Calls 1] [--Batch 256] [--Payload 200] [--Seconds 6].
var builder = Host.CreateApplicationBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.AddClusterClient();
using var host = builder.Build();
await host.StartAsync();
await new RoomPublisher(host.Services.GetRequiredService<IClusterClient>(), builder.Configuration).RunAsync();
await host.StopAsync();
