using System.Buffers;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>A SignalR client over one of SignalR's own transports (long polling, server-sent events). Its events were serialized once for all; several of them go out as one write.</summary>
sealed class SignalRConnection : ClientConnection
{
    readonly HubConnectionContext _hub;
    readonly string _protocol;

    protected override WireFormat Format => SignalRFormats.Of(_hub.Protocol, framed: false);

    public SignalRConnection(HubConnectionContext hub, Permissions permissions, GatewayOptions options, ILogger logger)
        : base(hub.ConnectionId, "signalr", permissions, options, logger)
    {
        _hub = hub;
        _protocol = hub.Protocol.Name;
    }

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events) =>
        events.Length == 1 ? WriteBytesAsync(events.Span[0].Bytes) : WriteTogetherAsync(events);

    protected override async ValueTask CloseAsync(CloseReason reason)
    {
        // The hub's own last message lets a client reconnect; where it shall not, it must be told first.
        if (!reason.Reconnect)
        {
            var close = new CloseMessage($"{reason.Name}: {reason.Text}", allowReconnect: false);
            await WriteBytesAsync(_hub.Protocol.GetMessageBytes(close));
        }

        _hub.Abort();
    }

    protected override void Abort() => _hub.GetHttpContext()?.Abort();

    async ValueTask WriteTogetherAsync(ReadOnlyMemory<Outbound> events)
    {
        byte[] together = RentTogether(events.Span, out int length);

        // Returned only after the write, which may have to wait for its turn. Both protocols frame their messages themselves.
        await WriteBytesAsync(together.AsMemory(0, length));
        ArrayPool<byte>.Shared.Return(together);
    }

    ValueTask WriteBytesAsync(ReadOnlyMemory<byte> bytes) =>
        _hub.WriteAsync(new SerializedHubMessage([new SerializedMessage(_protocol, bytes)]), CancellationToken.None);
}
