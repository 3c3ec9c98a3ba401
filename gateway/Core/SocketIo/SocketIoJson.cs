using System.Text.Json;
using System.Text.Json.Serialization;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>What a client sends with CONNECT: the application's <c>auth</c>, of which the token is ours, and for a recovery its former <c>pid</c> and offset.</summary>
sealed record ConnectAuth(JsonElement Token, JsonElement Pid, JsonElement Offset);

/// <summary>The answer to CONNECT.</summary>
sealed record ConnectAnswer(string Sid, string? Pid);

/// <summary>The data of a CONNECT_ERROR.</summary>
sealed record ErrorData(string Code, string Message)
{
    public static ErrorData Of(RealtimeException error) => new(error.Code.Text(), error.Message);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ConnectAuth))]
[JsonSerializable(typeof(ConnectAnswer))]
sealed partial class SocketIoJson : JsonSerializerContext;
