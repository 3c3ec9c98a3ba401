using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Rest;

/// <summary>The operations as REST (docs/api.md).</summary>
static class RestGateway
{
    public static IEndpointRouteBuilder MapRestGateway(this IEndpointRouteBuilder endpoints)
    {
        var api = endpoints.MapGroup("/api").RequireAuthorization().AddEndpointFilter(AskMiddlewareAsync);
        MapRooms(api.MapGroup("/rooms").WithTags("Rooms"));
        MapUsers(api.MapGroup("/users").WithTags("Users"));
        MapNamespaces(api.MapGroup("/namespaces").WithTags("Namespaces"));
        api.MapGroup("/requests").WithTags("Requests").MapRequests();
        api.MapGroup("/jobs").WithTags("Jobs").MapJobs();
        return endpoints;
    }

    /// <summary>A call is a connection that lasts for the call: the application may refuse it.</summary>
    static async ValueTask<object?> AskMiddlewareAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        var http = invocation.HttpContext;
        string ns = http.Request.Query["namespace"] is [{ Length: > 0 } named, ..] ? named : RoomName.DefaultNamespace;
        var claims = await http.RequestServices.GetRequiredService<EventDispatcher>().ConnectAsync(http, "rest", ns);
        if (claims.Count > 0)
        {
            http.Features.Set(claims);
        }

        return await next(invocation);
    }

    static void MapRooms(RouteGroupBuilder rooms)
    {
        rooms.MapPost("/{room}/messages", async (string room, SendRequest message, HttpContext http, RealtimeOperations operations, string? @namespace = null) =>
                TypedResults.Ok(await operations.PublishToRoomAsync(Caller(http), Qualify(@namespace, room), message)))
            .WithName("publishToRoom").WithSummary("Publishes a message to a room").Accepts<SendRequest>("application/json");
        rooms.MapGet("/{room}/messages", async (
                string room, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken,
                string? @namespace = null, string? after = null, long? before = null, int? limit = null) =>
                TypedResults.Ok(await operations.RoomHistoryAsync(Caller(http), Qualify(@namespace, room), Page(after, before, limit), cancellationToken)))
            .WithName("roomHistory").WithSummary("Reads a room's messages: after a cursor, below an offset, or the newest");
        rooms.MapGet("/{room}/presence", async (
                string room, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken, string? @namespace = null) =>
                TypedResults.Ok(await operations.PresenceAsync(Caller(http), Qualify(@namespace, room), cancellationToken)))
            .WithName("roomPresence").WithSummary("Tells who is in a room");
    }

    static void MapUsers(RouteGroupBuilder users)
    {
        users.MapPost("/{user}/messages", async (string user, SendRequest message, HttpContext http, RealtimeOperations operations) =>
                TypedResults.Ok(await operations.PublishToUserAsync(Caller(http), Unescape(user), message)))
            .WithName("publishToUser").WithSummary("Sends a direct message; it waits in the inbox of a user who is offline");
        users.MapGet("/{user}/messages", async (
                string user, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken,
                string? after = null, long? before = null, int? limit = null) =>
                TypedResults.Ok(await operations.InboxAsync(Caller(http), Unescape(user), Page(after, before, limit), cancellationToken)))
            .WithName("inbox").WithSummary("Reads a user's direct messages");
        users.MapGet("/{user}/connections", async (string user, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken) =>
                TypedResults.Ok(await operations.ConnectionsAsync(Caller(http), Unescape(user), cancellationToken)))
            .WithName("userConnections").WithSummary("Lists a user's connections");
        users.MapDelete("/{user}/connections", async (string user, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken) =>
                TypedResults.Ok(await operations.DisconnectAsync(Caller(http), Unescape(user), null, cancellationToken)))
            .WithName("disconnectUser").WithSummary("Closes a user's connections");
        users.MapDelete("/{user}/connections/{connectionId}", async (
                string user, string connectionId, HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken) =>
                TypedResults.Ok(await operations.DisconnectAsync(Caller(http), Unescape(user), connectionId, cancellationToken)))
            .WithName("disconnectConnection").WithSummary("Closes one of a user's connections");
        users.MapKeys();
        users.MapUserRequests();
    }

    static void MapNamespaces(RouteGroupBuilder namespaces)
    {
        namespaces.MapPost("/messages", async (SendRequest message, HttpContext http, RealtimeOperations operations, string? @namespace = null) =>
                TypedResults.Ok(await operations.PublishToNamespaceAsync(Caller(http), @namespace, message)))
            .WithName("broadcast").WithSummary("Broadcasts to everybody in a namespace");
        namespaces.MapGet("/messages", async (
                HttpContext http, RealtimeOperations operations, CancellationToken cancellationToken,
                string? @namespace = null, string? after = null, long? before = null, int? limit = null) =>
                TypedResults.Ok(await operations.NotificationsAsync(Caller(http), @namespace, Page(after, before, limit), cancellationToken)))
            .WithName("notifications").WithSummary("Reads what was broadcast in a namespace");
    }

    static Permissions Caller(HttpContext http) => http.GetPermissions();

    static HistoryRequest Page(string? after, long? before, int? limit) => new(RealtimeOperations.ParseCursor(after), before, limit);

    /// <summary>A room of another namespace comes as <c>?namespace=/admin</c>, or whole and escaped: <c>%2Fadmin:alerts</c>.</summary>
    static string Qualify(string? ns, string room) => ns is null or RoomName.DefaultNamespace ? Unescape(room) : $"{ns}:{Unescape(room)}";

    /// <summary>Routing leaves an escaped slash as it is.</summary>
    internal static string Unescape(string value) => value.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
}
