using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Mvc;

namespace OrleansRealtime.Gateway.Auth;

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(DevToken))]
[JsonSerializable(typeof(ProblemDetails))]
internal sealed partial class AuthJson : JsonSerializerContext;
