using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>The opening handshake of RFC 6455, section 4.2, over HTTP/1.1.</summary>
static class WebSocketHandshake
{
    /// <summary>Whether the request asks for a WebSocket that this gateway can accept by itself.</summary>
    public static bool IsRequested(HttpContext http) =>
        HttpMethods.IsGet(http.Request.Method)
        && http.Features.Get<IHttpUpgradeFeature>()?.IsUpgradableRequest == true
        && http.Request.Headers.Upgrade.ToString().Equals("websocket", StringComparison.OrdinalIgnoreCase)
        && http.Request.Headers.SecWebSocketVersion == "13"
        && IsKey(http.Request.Headers.SecWebSocketKey);

    /// <summary>Answers 101. From here on the stream has the client's frames, and what is written to the response's body writer goes out as it is.</summary>
    [SuppressMessage("Security", "CA5350", Justification = "The protocol says SHA-1; it protects nothing.")]
    public static Task<Stream> AcceptAsync(HttpContext http)
    {
        byte[] accept = SHA1.HashData(Encoding.ASCII.GetBytes(http.Request.Headers.SecWebSocketKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        http.Response.Headers[HeaderNames.Connection] = "Upgrade";
        http.Response.Headers.Upgrade = "websocket";
        http.Response.Headers.SecWebSocketAccept = Convert.ToBase64String(accept);
        return http.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
    }

    static bool IsKey(string? key)
    {
        Span<byte> bytes = stackalloc byte[18];
        return key is { Length: 24 } && Convert.TryFromBase64String(key, bytes, out int length) && length == 16;
    }
}
