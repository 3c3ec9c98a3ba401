using Microsoft.AspNetCore.Http;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>A WebSocket that lives in its request: what is written goes into Kestrel's output.</summary>
sealed class RequestLink(HttpContext http, Stream upgraded) : WebSocketLink
{
    protected override Stream Input => upgraded;

    public override IClientRequest Request { get; } = new LiveRequest(http);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> frames) => upgraded.WriteAsync(frames);

    public override void Abort() => http.Abort();
}
