using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

public static class EngineIoGateway
{
    /// <summary>
    /// Serves Engine.IO for an application of its own, which gets the bare messages: for other protocols than Socket.IO, which has its own path.
    /// </summary>
    /// <param name="path">For example <c>/engine.io/</c>.</param>
    /// <param name="accept">Called for each new session; it makes the one that gets the session's messages.</param>
    public static IEndpointConventionBuilder MapEngineIo(
        this IEndpointRouteBuilder endpoints, string path, EngineIoOptions options, Func<EngineSession, IEngineClient> accept)
    {
        var services = endpoints.ServiceProvider;
        var gateway = services.GetRequiredService<IOptions<GatewayOptions>>().Value;
        var server = new EngineServer(
            options, services.GetRequiredService<AllowedOrigins>(), services.GetRequiredService<ClientConnections>(), gateway.CloseTimeout, accept);
        services.GetRequiredService<EngineServers>().Add(path, server);
        return endpoints.Map(path, server.ServeAsync).AllowAnonymous().ExcludeFromDescription();
    }
}

/// <summary>Runs the clocks of all sessions, and sends away the pending ones when the gateway stops.</summary>
sealed class EngineServers : BackgroundService
{
    /// <summary>Precision of all timeouts; finer where the settings are finer.</summary>
    static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1), ShortestTick = TimeSpan.FromMilliseconds(10);

    readonly ConcurrentDictionary<PathString, EngineServer> _byPath = new();
    readonly TimeProvider _time;

    public EngineServers(IHostApplicationLifetime lifetime, TimeProvider time)
    {
        _time = time;
        lifetime.ApplicationStopping.Register(() => CloseAll(pendingOnly: true));
    }

    public bool Compress => Servers.Any(s => s.Options.PerMessageDeflate);

    IEnumerable<EngineServer> Servers => _byPath.Values;

    /// <exception cref="ArgumentException">The path is taken.</exception>
    public void Add(string path, EngineServer server)
    {
        if (!_byPath.TryAdd(path.TrimEnd('/'), server))
        {
            throw new ArgumentException($"There is an Engine.IO server at '{path}' already.", nameof(path));
        }
    }

    public EngineServer? Find(PathString path) => _byPath.GetValueOrDefault(path.Value?.TrimEnd('/') ?? "");

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period(), _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                long now = Environment.TickCount64;
                foreach (var server in Servers)
                {
                    server.Tick(now);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            CloseAll(pendingOnly: false);
        }
    }

    void CloseAll(bool pendingOnly)
    {
        foreach (var server in Servers)
        {
            server.CloseAll(pendingOnly);
        }
    }

    /// <summary>A tenth of the shortest time that is kept.</summary>
    TimeSpan Period()
    {
        var shortest = Servers.Select(s => s.Options.PingInterval < s.Options.PingTimeout ? s.Options.PingInterval : s.Options.PingTimeout).DefaultIfEmpty(LongestTick).Min() / 10;
        return shortest > LongestTick ? LongestTick : shortest < ShortestTick ? ShortestTick : shortest;
    }
}

/// <summary>
/// Takes WebSockets before everything else in the pipeline: they stay, and each middleware that they had passed would stay with them, in memory.
/// </summary>
sealed class WebSocketsFirst(EngineServers servers) : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        if (servers.Compress)
        {
            app.UseWebSockets();
        }

        app.Use(pipeline => http => WebSocketHandshake.IsRequested(http) && servers.Find(http.Request.Path) is { } server
            ? ServeAsync(server, http)
            : pipeline(http));
        next(app);
    };

    static async Task ServeAsync(EngineServer server, HttpContext http)
    {
        try
        {
            await server.ServeAsync(http);
        }
        catch (RealtimeException exception) when (!http.Response.HasStarted)
        {
            await new EngineError(3, exception.Message, exception.Code.HttpStatus()).WriteAsync(http);
        }
    }
}
