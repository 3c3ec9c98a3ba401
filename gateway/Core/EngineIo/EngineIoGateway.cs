using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Hosting;

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
        services.GetRequiredService<EngineServers>().Add(server);
        return endpoints.Map(path, server.ServeAsync).AllowAnonymous().ExcludeFromDescription();
    }
}

/// <summary>Runs the clocks of all sessions, and sends away the pending ones when the gateway stops.</summary>
sealed class EngineServers : BackgroundService
{
    /// <summary>Precision of all timeouts; finer where the settings are finer.</summary>
    static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1), ShortestTick = TimeSpan.FromMilliseconds(10);

    readonly ConcurrentBag<EngineServer> _servers = [];
    readonly TimeProvider _time;

    public EngineServers(IHostApplicationLifetime lifetime, TimeProvider time)
    {
        _time = time;
        lifetime.ApplicationStopping.Register(() => CloseAll(pendingOnly: true));
    }

    public void Add(EngineServer server) => _servers.Add(server);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period(), _time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                long now = Environment.TickCount64;
                foreach (var server in _servers)
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
        foreach (var server in _servers)
        {
            server.CloseAll(pendingOnly);
        }
    }

    /// <summary>A tenth of the shortest time that is kept.</summary>
    TimeSpan Period()
    {
        var shortest = _servers.Select(s => s.Options.PingInterval < s.Options.PingTimeout ? s.Options.PingInterval : s.Options.PingTimeout).DefaultIfEmpty(LongestTick).Min() / 10;
        return shortest > LongestTick ? LongestTick : shortest < ShortestTick ? ShortestTick : shortest;
    }
}
