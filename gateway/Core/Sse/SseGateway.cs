using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Authentication;
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
using OrleansRealtime.Gateway.Jobs;
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

        // Where guests are allowed, no token is needed, which the endpoint sees to itself.
        endpoints.MapGet("/jobs/{id}/events", (string id, HttpContext http, SseStreams streams) => streams.ServeJobAsync(http, id))
            .AllowAnonymous()
            .WithName("jobEvents")
            .WithTags("Jobs")
            .WithSummary("Streams a job's events as server-sent events, from the first one or after Last-Event-ID, to the last one")
            .WithDescription("204 where nothing comes any more. Query: lastEventId where the Last-Event-ID header cannot be set.")
            .Produces(StatusCodes.Status200OK, contentType: "text/event-stream")
            .Produces(StatusCodes.Status204NoContent);
        return endpoints;
    }
}

/// <summary>Serves event streams, and keeps the silent ones open with comments.</summary>
sealed class SseStreams(
    RealtimeOperations operations,
    JobOperations jobs,
    ClientConnections connections,
    EventDispatcher events,
    IOptions<GatewayOptions> options,
    IOptions<NamespaceOptions> namespaces,
    GuestAccess guests,
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
        var audience = await operations.ParseStreamAsync(permissions, http.Request.Query["room"], inbox, http.RequestAborted);
        var cursors = SseCursor.Parse(LastEventId(http), audience);
        connections.ThrowIfShuttingDown();
        var connection = new SseConnection(NewId(), http, permissions, options.Value, logger, SseFormat.Instance)
        {
            Claims = await events.ConnectAsync(http, "sse", RoomName.DefaultNamespace),
        };
        await ServeAsync(http, connection, audience, cursors);
    }

    /// <summary>The same for a job's events, until the last of them.</summary>
    public async Task ServeJobAsync(HttpContext http, string jobId)
    {
        string id = NewId();
        var authentication = await http.AuthenticateAsync();
        if (!authentication.Succeeded && !(authentication.None && guests.Allowed))
        {
            await http.ChallengeAsync();
            return;
        }

        var permissions = authentication.Succeeded ? http.GetPermissions() : Permissions.WithoutToken("guest-" + id, namespaces.Value, isGuest: true);
        if (await jobs.FindStreamAsync(jobId, LastEventId(http), http.RequestAborted) is not { } stream)
        {
            http.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        connections.ThrowIfShuttingDown();
        var connecting = new ConnectingContext(http, "sse", RoomName.DefaultNamespace, EventData.Empty, permissions, null);
        await events.ConnectAsync(connecting);
        var connection = new SseConnection(id, http, permissions, options.Value, logger, JobStreamFormat.Instance, JobStreamFormat.IsLast) { Claims = connecting.Claims };
        await ServeAsync(http, connection, [stream.Channel], [stream.After]);
    }

    static string NewId() => Guid.NewGuid().ToString("n");

    static string? LastEventId(HttpContext http) =>
        http.Request.Headers["Last-Event-ID"] is [{ Length: > 0 } header, ..] ? header : http.Request.Query["lastEventId"];

    async Task ServeAsync(HttpContext http, SseConnection connection, IReadOnlyList<ChannelId> audience, Cursor?[] cursors)
    {
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

        // The others begin when they can be written. But whoever asks for presence as soon as there is an answer is told of every change since.
        await Task.WhenAll(audience.Where((_, i) => cursors[i] is not null).Select(channel => operations.AttachAsync(connection, channel, aborted)));

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
