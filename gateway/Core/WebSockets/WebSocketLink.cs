using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>What is below the frames of a WebSocket.</summary>
abstract class WebSocketLink
{
    /// <summary>What the client sends.</summary>
    protected abstract Stream Input { get; }

    /// <summary>The request that it began with.</summary>
    public abstract IClientRequest Request { get; }

    /// <summary>Answers a request for a WebSocket with 101 and serves what follows: at once, or when the request has ended.</summary>
    /// <param name="serve">Called once, unless the client is gone. It does not throw.</param>
    public static async Task AcceptAsync(HttpContext http, Func<WebSocketLink, Task> serve)
    {
        if (ConnectionHandover.Of(http) is { } handover)
        {
            await handover.UpgradeAsync(http, serve);
            return;
        }

        await http.LightenAsync();
        await serve(new RequestLink(http, await WebSocketHandshake.AcceptAsync(http)));
    }

    /// <summary>What reads the client's messages, and closes.</summary>
    /// <param name="send">Gets each frame that it would write itself (pongs, the closing handshake); it may keep it.</param>
    public WebSocket CreateReader(Action<byte[]> send) => WebSocket.CreateFromStream(
        new FramesInTurn(Input, send), new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });

    /// <summary>Writes frames. One write at a time.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> frames);

    /// <summary>Cuts the connection.</summary>
    public abstract void Abort();
}
