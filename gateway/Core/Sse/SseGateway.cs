using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Sse;

static class SseGateway
{
    public const string Path = "/events";

    public static IServiceCollection AddSseGateway(this IServiceCollection services) => services
        .AddSingleton<SseStreams>()
        .AddHostedService(s => s.GetRequiredService<SseStreams>());

    public static IEndpointRouteBuilder MapSseGateway(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet(Path, (HttpContext http, SseStreams streams) => streams.ServeAsync(http))
            .RequireAuthorization()
            .WithName("events")
            .WithTags("Events")
            .WithSummary("Streams rooms, notifications and the inbox as server-sent events")
            .WithDescription("Query: room (repeatable), user=1 for the inbox, lastEventId where the Last-Event-ID header cannot be set.");
        return endpoints;
    }
}

/// <summary>Serves event streams, and keeps the silent ones open with comments.</summary>
sealed class SseStreams(
    RealtimeOperations operations,
    ClientConnections connections,
    EventDispatcher events,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<SseConnection> logger) : PeriodicService(options.Value.SseHeartbeat / 3, time)
{
    static readonly PreparedEvent s_heartbeat = new(new SseHeartbeat());

    readonly ConcurrentDictionary<SseConnection, byte> _streams = new();

    /// <summary>Runs until the client has gone or the connection has been closed.</summary>
    public async Task ServeAsync(HttpContext http)
    {
        // All that can be wrong with the request is found before the stream begins: then it is still an ordinary HTTP answer.
        var permissions = http.GetPermissions();
        bool inbox = http.Request.Query["user"] is [{ Length: > 0 } wanted, ..] && wanted != "0";
        var audience = operations.ParseStream(permissions, http.Request.Query["room"], inbox);
        string? lastEventId = http.Request.Headers["Last-Event-ID"] is [{ Length: > 0 } header, ..] ? header : http.Request.Query["lastEventId"];
        var cursors = SseCursor.Parse(lastEventId, audience);
        connections.ThrowIfShuttingDown();
        var connection = new SseConnection(Guid.NewGuid().ToString("n"), http, permissions, options.Value, logger)
        {
            Claims = await events.ConnectAsync(http, "sse", RoomName.DefaultNamespace),
        };
        connections.Add(connection);
        _streams[connection] = 0;
        try
        {
            await events.ConnectedAsync(connection, RoomName.DefaultNamespace, EventData.Empty);
            await BeginAsync(http, connection, audience, cursors);
            await connection.Closed.WaitAsync(http.RequestAborted);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // The client has gone, which is how streams end.
        }
        finally
        {
            _streams.TryRemove(connection, out _);
            connections.Remove(connection);
            LocalChannels.End(connection);
            await events.DisconnectedAsync(connection, RoomName.DefaultNamespace);
        }
    }

    /// <summary>Runs three times in the longest silence; who has been silent for two of them would exceed it by the next.</summary>
    protected override Task RunOnceAsync()
    {
        long due = Environment.TickCount64 - (long)(options.Value.SseHeartbeat * (2 / 3.0)).TotalMilliseconds;
        foreach (var connection in _streams.Keys)
        {
            if (connection.LastWrite <= due)
            {
                connection.Send(s_heartbeat);
            }
        }

        return Task.CompletedTask;
    }

    async Task BeginAsync(HttpContext http, SseConnection connection, IReadOnlyList<ChannelId> audience, Cursor?[] cursors)
    {
        var aborted = http.RequestAborted;

        // What has no cursor begins now. Its position must be known before the first id is written.
        for (int i = 0; i < audience.Count; i++)
        {
            if (cursors[i] is null && audience[i].Kind == ChannelKind.User)
            {
                cursors[i] = await operations.InboxStartAsync(connection.UserId, aborted);
            }
            else if (cursors[i] is null)
            {
                await operations.FollowAsync(connection, audience[i], null, aborted);
            }
        }

        var response = http.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache, no-store, no-transform";
        response.Headers["X-Accel-Buffering"] = "no";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.BodyWriter.WriteAsync(
            Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"retry: {(long)options.Value.SseRetry.TotalMilliseconds}\n\n")), aborted);
        connection.Begin(audience.Zip(cursors));
        connection.Send(new(new SsePosition()));
        for (int i = 0; i < audience.Count; i++)
        {
            if (cursors[i] is { } cursor)
            {
                await operations.ResumeAsync(connection, audience[i], cursor, aborted);
            }
        }
    }
}
