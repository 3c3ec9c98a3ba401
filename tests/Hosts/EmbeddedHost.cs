using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Hosting;
using OrleansRealtime.Jobs;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Hosts;

/// <summary>The embedded server as it is shipped, in this process: silo and gateway, a real Kestrel on a port of its own.</summary>
sealed class EmbeddedHost : IAsyncDisposable
{
    readonly WebApplication _app;
    readonly RestApi _rest;

    EmbeddedHost(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        _rest = new(Address);
    }

    public Uri Address { get; }

    public IServiceProvider Services => _app.Services;

    public static Task<EmbeddedHost> StartAsync(params (string Setting, string Value)[] settings) => StartAsync(null, null, settings);

    /// <param name="events">What an application adds.</param>
    /// <param name="logs">Gets warnings and errors besides the console.</param>
    public static Task<EmbeddedHost> StartAsync(
        Action<RealtimeEvents>? events, ILoggerProvider? logs = null, params (string Setting, string Value)[] settings) =>
        StartWithJobsAsync(_ => { }, events, logs, settings);

    /// <param name="jobs">What an application can run.</param>
    public static async Task<EmbeddedHost> StartWithJobsAsync(
        Action<JobBuilder> jobs, Action<RealtimeEvents>? events = null, ILoggerProvider? logs = null, params (string Setting, string Value)[] settings)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = Environments.Development });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Realtime:Store:DataFolder"] = ":memory:",
            ["Realtime:Gateway:SseRetry"] = "00:00:00.050",
        });
        builder.Configuration.AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Setting, (string?)s.Value)));
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        if (logs is not null)
        {
            builder.Logging.AddProvider(logs);
        }

        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(kestrel => kestrel.UseWebSocketHandover());

        // Its limits, which it does not read from the configuration by itself.
        builder.Services.Configure<KestrelServerOptions>(builder.Configuration.GetSection("Kestrel"));
        builder.AddEmbeddedSilo().AddJobs(jobs);
        builder.AddRealtimeGateway(events);
        var app = builder.Build();
        app.MapRealtimeGateway();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new(app);
    }

    /// <summary>A development token of the user; the query may ask for roles, rooms or a lifetime.</summary>
    public Task<string> TokenAsync(string user, string query = "") => _rest.TokenAsync(user, query);

    /// <summary>A client of the REST API that speaks for the user.</summary>
    public Task<HttpClient> RestAsync(string user, string query = "") => _rest.ClientAsync(user, query);

    public async ValueTask DisposeAsync()
    {
        _rest.Dispose();
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
    }
}
