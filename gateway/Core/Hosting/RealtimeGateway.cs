using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.PubSub;
using OrleansRealtime.Gateway.Rest;
using OrleansRealtime.Gateway.SignalR;
using OrleansRealtime.Gateway.SocketIo;
using OrleansRealtime.Gateway.Sse;
using OrleansRealtime.Gateway.Wire;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Gateway.Hosting;

/// <summary>Puts a gateway into an ASP.NET Core application that is, or has, an Orleans client with the <c>mailbox</c> stream provider.</summary>
public static class RealtimeGateway
{
    /// <param name="configure">The application's own middleware and handlers.</param>
    public static IHostApplicationBuilder AddRealtimeGateway(this IHostApplicationBuilder builder, Action<RealtimeEvents>? configure = null)
    {
        var events = new RealtimeEvents();
        configure?.Invoke(events);
        builder.Services.AddSingleton(events).AddSingleton<EventDispatcher>();
        builder.AddRealtimeAuth();
        builder.Services.AddOptions<GatewayOptions>().BindConfiguration(GatewayOptions.Section).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<GatewayOptions>, GatewayOptionsValidator>();
        builder.Services.TryAddSingleton(TimeProvider.System);
        // Time to send the connections away, and for everything else to stop.
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<GatewayOptions>>(
            (host, gateway) => host.ShutdownTimeout = gateway.Value.DrainTimeout + gateway.Value.CloseTimeout + TimeSpan.FromSeconds(5));
        builder.Services.AddFanout().AddSignalRGateway().AddSseGateway().AddSocketIoGateway().AddGatewayMetrics().AddGatewayCors();
        builder.Services.AddSingleton<RealtimeOperations>().AddSingleton<KeyOperations>().AddSingleton<RequestOperations>().AddSingleton<JobOperations>();
        builder.Services.AddSingleton(services => new RealtimePublisher(services.GetRequiredService<RealtimeOperations>()));
        builder.Services.AddSingleton<IPubSub, GatewayPubSub>();
        builder.Services.AddSingleton(services => new RealtimeRequests(services.GetRequiredService<RequestOperations>()));
        builder.Services.ConfigureHttpJsonOptions(json => WireJson.Configure(json.SerializerOptions));
        builder.Services.AddProblemDetails().AddExceptionHandler<ProblemAnswers>();
        builder.Services.AddRealtimeOpenApi();
        return builder;
    }

    public static WebApplication MapRealtimeGateway(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseCors();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapSignalRGateway();
        app.MapSseGateway();
        app.MapSocketIoGateway();
        app.MapRestGateway();
        app.MapRealtimeOpenApi();
        app.MapDevTokens();
        app.MapHealth();
        app.MapGatewayMetrics();
        return app;
    }

    static IServiceCollection AddFanout(this IServiceCollection services) => services
        .AddSingleton<GatewayIdentity>()
        .AddSingleton<Uplinks>()
        .AddSingleton<LocalChannels>()
        .AddSingleton<ClientConnections>()
        .AddSingleton<Comparisons>()
        .AddSingleton<UserQuestions>()
        .AddSingleton<GatewayHealth>()
        .AddHostedService<GatewayService>()
        .AddHostedService<Housekeeping>();
}

/// <summary>Answers with RFC 9457 problem details whatever goes wrong in a request, and never with more than a sentence.</summary>
sealed partial class ProblemAnswers(IProblemDetailsService problems, GatewayMetrics metrics, ILogger<ProblemAnswers> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var error = exception switch
        {
            RealtimeException known => known,
            ConnectionRejectedException rejection => new(RealtimeErrorCode.Rejected, rejection.Message),
            BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } =>
                new(RealtimeErrorCode.PayloadTooLarge, "The request body is larger than is allowed."),
            BadHttpRequestException { InnerException: JsonException json } => new(RealtimeErrorCode.InvalidArgument, Explain(json)),
            BadHttpRequestException bad => new(RealtimeErrorCode.InvalidArgument, WithoutTypes().Replace(bad.Message, "\"$1\"")),
            _ => new(RealtimeErrorCode.Internal, "Something went wrong on the server."),
        };

        // Who throws the code itself has logged why.
        if (error.Code == RealtimeErrorCode.Internal && exception is not RealtimeException)
        {
            Unexpected(httpContext.Request.Method, httpContext.Request.Path, exception);
        }

        metrics.Refused(error.Code);
        var problem = (exception as ConnectionRejectedException)?.ToProblem() ?? error.ToProblem();
        httpContext.Response.StatusCode = problem.Status!.Value;
        if (error.Code == RealtimeErrorCode.Unavailable)
        {
            httpContext.Response.Headers.RetryAfter = "1";
        }

        return await problems.TryWriteAsync(new() { HttpContext = httpContext, ProblemDetails = problem });
    }

    /// <summary>Where in the JSON the mistake is; System.Text.Json's own sentence names .NET types.</summary>
    static string Explain(JsonException json) => json.Path is { Length: > 1 } path
        ? $"The body is not the JSON that is expected, at '{path}'."
        : "The body is not valid JSON of the expected form.";

    /// <summary>The type in <c>Failed to bind parameter "Nullable&lt;int&gt; limit"</c>, which is no business of a client's.</summary>
    [GeneratedRegex("\"[\\w<>]+ (\\w+)\"")]
    private static partial Regex WithoutTypes();

    [LoggerMessage(1, LogLevel.Error, "{Method} {Path} failed.")]
    partial void Unexpected(string method, string path, Exception exception);
}
