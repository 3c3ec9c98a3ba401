using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Why a request was refused, with the reference's codes and texts.</summary>
sealed record EngineError(int Code, string Message, [property: JsonIgnore] int Status = StatusCodes.Status400BadRequest)
{
    public static readonly EngineError
        UnknownTransport = new(0, "Transport unknown"),
        UnknownSession = new(1, "Session ID unknown"),
        BadHandshakeMethod = new(2, "Bad handshake method"),
        BadRequest = new(3, "Bad request"),
        UnsupportedVersion = new(5, "Unsupported protocol version");

    public static EngineError Forbidden(string why) => new(4, why, StatusCodes.Status403Forbidden);

    /// <summary>Not the reference's: it has no such limit.</summary>
    public static EngineError TooLarge(int max) => new(3, $"The payload is over {max} bytes", StatusCodes.Status413PayloadTooLarge);

    public static readonly EngineError Busy = new(3, "Too many sessions are being opened", StatusCodes.Status503ServiceUnavailable);

    public Task WriteAsync(HttpContext http)
    {
        http.Response.StatusCode = Status;
        return http.Response.WriteAsJsonAsync(this, EngineJson.Default.EngineError, "application/json", http.RequestAborted);
    }
}

/// <summary>What a session begins with.</summary>
sealed record EngineHandshake(string Sid, string[] Upgrades, int PingInterval, int PingTimeout, int MaxPayload);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(EngineError))]
[JsonSerializable(typeof(EngineHandshake))]
sealed partial class EngineJson : JsonSerializerContext;
