using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.EngineIo;

namespace OrleansRealtime.Gateway.SocketIo;

static class SocketIoGateway
{
    public static IServiceCollection AddSocketIoGateway(this IServiceCollection services)
    {
        services.AddOptions<SocketIoOptions>().BindConfiguration(SocketIoOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<SocketIoOptions>, SocketIoOptionsValidator>();
        services.AddOptions<AuthOptions>().Configure<IOptions<SocketIoOptions>>((auth, socketIo) => auth.QueryTokenPaths.Add(socketIo.Value.Path.TrimEnd('/')));
        services.AddSingleton<GuestAccess>();
        services.AddSingleton<EngineServers>();
        services.AddHostedService(s => s.GetRequiredService<EngineServers>());
        services.AddSingleton<IStartupFilter, WebSocketsFirst>();
        services.AddSingleton<SocketIoEvents>();
        services.AddSingleton<SocketIoServer>();
        return services;
    }

    public static WebApplication MapSocketIoGateway(this WebApplication app)
    {
        var server = app.Services.GetRequiredService<SocketIoServer>();
        app.MapEngineIo(server.Options.Path, server.Options, engine => new SocketIoClient(server, engine));
        return app;
    }
}
