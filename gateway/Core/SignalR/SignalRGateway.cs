using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SignalR;

static class SignalRGateway
{
    public const string Path = "/hub";

    /// <summary>Room for a message's envelope beside its data, in what a client may send at once.</summary>
    const int Envelope = 16 << 10;

    /// <summary>Invocations of one connection that run side by side: they start in order, so that publications keep their order, and a join may take its time.</summary>
    const int ParallelInvocations = 64;

    public static IServiceCollection AddSignalRGateway(this IServiceCollection services)
    {
        services.AddSignalR(hub =>
            {
                // Only HubErrors and argument binding produce error texts, and neither shows more than a sentence.
                hub.EnableDetailedErrors = true;
                hub.MaximumParallelInvocationsPerClient = ParallelInvocations;
                hub.AddFilter<HubErrors>();
            })
            .AddJsonProtocol(json => json.PayloadSerializerOptions = WireJson.Default.Options)
            .AddMessagePackProtocol(pack => pack.SerializerOptions = WireMessagePack.Options);
        services.AddOptions<HubOptions>().Configure<IOptions<GatewayOptions>>(
            (hub, gateway) => hub.MaximumReceiveMessageSize = Math.Max(gateway.Value.MaxPayloadBytes * 2, gateway.Value.MaxPayloadBytes + Envelope));
        services.RemoveAll<IHubProtocol>();
        services.AddSingleton<IHubProtocol>(s => new OptionalArgumentsProtocol(new JsonHubProtocol(s.GetRequiredService<IOptions<JsonHubProtocolOptions>>())));
        services.AddSingleton<IHubProtocol>(s => new OptionalArgumentsProtocol(new MessagePackHubProtocol(s.GetRequiredService<IOptions<MessagePackHubProtocolOptions>>())));
        services.AddSingleton<HubLifetimeManager<RealtimeHub>, RealtimeHubLifetimeManager>();
        // It logs every refusal with a stack trace; HubErrors logs what is not one.
        services.AddLogging(logging => logging.AddFilter("Microsoft.AspNetCore.SignalR.Internal.DefaultHubDispatcher", LogLevel.None));
        services.AddSingleton<HubErrors>();
        services.AddSingleton<HubWebSockets>();
        services.AddHostedService(s => s.GetRequiredService<HubWebSockets>());
        return services;
    }

    /// <summary>After authorization, which the hub's endpoint asks for.</summary>
    public static WebApplication MapSignalRGateway(this WebApplication app)
    {
        app.Use((http, next) => http.Request.Path == Path && http.GetEndpoint() is not null && WebSocketHandshake.IsRequested(http)
            ? http.RequestServices.GetRequiredService<HubWebSockets>().ServeAsync(http)
            : next(http));
        app.MapHub<RealtimeHub>(Path, http => http.CloseOnAuthenticationExpiration = false);
        return app;
    }
}
