using Microsoft.AspNetCore.Http;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>The HTTP request that a client's message came by: a WebSocket's first one, or that of long-polling.</summary>
public interface IClientRequest
{
    /// <summary>Gives it to who needs it; it is valid until the task completes. That of a WebSocket is a copy where the request itself is over.</summary>
    Task UseAsync(Func<HttpContext, Task> use);
}

/// <summary>A request that is not over.</summary>
sealed class LiveRequest(HttpContext http) : IClientRequest
{
    public Task UseAsync(Func<HttpContext, Task> use) => use(http);
}
