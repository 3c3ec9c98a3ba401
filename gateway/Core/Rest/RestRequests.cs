using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.Rest;

/// <summary>The application's handlers as REST: the body is the data, the answer's body is what the handler returns.</summary>
static class RestRequests
{
    const string Json = "application/json", Binary = "application/octet-stream";

    public static void MapRequests(this IEndpointRouteBuilder requests) => requests
        .MapPost("/{event}", async (
            string @event, HttpContext http, RealtimeOperations operations, IOptions<GatewayOptions> options, string? @namespace = null) =>
        {
            var caller = http.GetPermissions();
            string ns = RealtimeOperations.CheckMayUseNamespace(caller, @namespace);
            var data = await ReadDataAsync(http.Request, options.Value.MaxPayloadBytes);
            var claims = http.Features.Get<IReadOnlyList<Claim>>() ?? [];
            return ToResult(await operations.RequestAsync(caller, null, claims, RestGateway.Unescape(@event), ns, data, http.RequestAborted));
        })
        .WithName("request")
        .WithSummary("Calls the application's handler of an event")
        .WithDescription("The body is the event's data: any JSON, or binary data. No body is no data.")
        .TakesAndAnswersData();

    /// <summary>Requests to a user: the body is the data, the answer's body is what the first of the user's connections answers.</summary>
    public static void MapUserRequests(this IEndpointRouteBuilder users) => users
        .MapPost("/{user}/requests/{event}", async (
            string user, string @event, HttpContext http, RequestOperations requests, IOptions<GatewayOptions> options, double? timeout = null) =>
        {
            var data = await ReadDataAsync(http.Request, options.Value.MaxPayloadBytes);
            return ToResult(await requests.AskUserAsync(
                http.GetPermissions().UserId, RestGateway.Unescape(user), RestGateway.Unescape(@event), data, RequestOperations.ToTimeout(timeout), http.RequestAborted));
        })
        .WithName("requestUser")
        .WithSummary("Asks a user; the first of the user's connections that answers wins")
        .WithDescription("The body is the question's data: any JSON, or binary data. No body is no data. The timeout is in seconds.")
        .TakesAndAnswersData();

    static RouteHandlerBuilder TakesAndAnswersData(this RouteHandlerBuilder route) => route
        .Accepts<JsonElement>(isOptional: true, Json, Binary)
        .Produces<JsonElement>(StatusCodes.Status200OK, Json, Binary)
        .Produces(StatusCodes.Status204NoContent);

    /// <summary>A request's body as data; null where it has none.</summary>
    public static async Task<Payload?> ReadDataAsync(HttpRequest request, int maxBytes)
    {
        using var body = new MemoryStream();
        byte[] buffer = new byte[4096];
        while (await request.Body.ReadAsync(buffer, request.HttpContext.RequestAborted) is > 0 and var count)
        {
            if (body.Length + count > maxBytes)
            {
                throw new RealtimeException(RealtimeErrorCode.PayloadTooLarge, $"The body may have at most {maxBytes} bytes.");
            }

            body.Write(buffer, 0, count);
        }

        byte[] bytes = body.ToArray();
        if (request.ContentType?.StartsWith(Binary, StringComparison.OrdinalIgnoreCase) == true)
        {
            return new(PayloadKind.Binary, bytes);
        }

        return bytes.Length == 0 ? null : new(PayloadKind.Json, CheckJson(bytes));
    }

    static byte[] CheckJson(byte[] bytes)
    {
        try
        {
            var reader = new Utf8JsonReader(bytes);
            while (reader.Read())
            {
            }

            return bytes;
        }
        catch (JsonException exception)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "The body is not valid JSON.", exception);
        }
    }

    static Results<FileContentHttpResult, NoContent> ToResult(EventData? answer)
    {
        if (answer is not { Count: > 0 })
        {
            return TypedResults.NoContent();
        }

        using (var argument = JsonDocument.Parse(answer[0]))
        {
            if (argument.RootElement.ValueKind == JsonValueKind.Object && answer.FindAttachment(argument.RootElement) is { } bytes)
            {
                return TypedResults.Bytes(bytes, Binary);
            }
        }

        JsonBuffer.Begin();
        JsonBuffer.Append(answer);
        return TypedResults.Bytes(JsonBuffer.Written.ToArray(), Json + "; charset=utf-8");
    }
}
