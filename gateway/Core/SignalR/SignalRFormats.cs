using System.Buffers;
using MessagePack;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.SignalR.Protocol;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SignalR;

static class SignalRFormats
{
    // Made together at the start: an event has room for the bytes of every format there is.
    static readonly SignalRJsonFormat s_json = new(framed: false), s_framedJson = new(framed: true);
    static readonly SignalRMessagePackFormat s_messagePack = new(framed: false), s_framedMessagePack = new(framed: true);

    /// <summary>What SignalR's handshake is written in, whichever protocol it chooses.</summary>
    public static WireFormat Handshake => s_framedJson;

    /// <param name="framed">Whether the bytes are WebSocket frames.</param>
    public static WireFormat Of(IHubProtocol protocol, bool framed) => protocol.TransferFormat == TransferFormat.Binary
        ? framed ? s_framedMessagePack : s_messagePack
        : framed ? s_framedJson : s_json;
}

/// <summary>Events as invocations of SignalR's JSON protocol (https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md).</summary>
sealed class SignalRJsonFormat(bool framed) : WireFormat
{
    protected internal override byte[] Encode(ServerEvent serverEvent)
    {
        JsonBuffer.Begin();
        JsonBuffer.Append("{\"type\":1,\"target\":\""u8);
        JsonBuffer.Append(EventJson.TargetOf(serverEvent));
        JsonBuffer.Append("\",\"arguments\":["u8);
        JsonBuffer.Append(serverEvent);
        JsonBuffer.Append("]}\u001e"u8);
        return framed ? WebSocketFrame.Of(JsonBuffer.Written, binary: false) : JsonBuffer.Written.ToArray();
    }
}

/// <summary>Events as invocations of SignalR's MessagePack protocol: a length, then <c>[1, {}, nil, target, [argument], []]</c>.</summary>
sealed class SignalRMessagePackFormat(bool framed) : WireFormat
{
    protected internal override byte[] Encode(ServerEvent serverEvent)
    {
        var body = new ArrayBufferWriter<byte>(512);
        var writer = new MessagePackWriter(body);
        writer.WriteArrayHeader(6);
        writer.Write(1);
        writer.WriteMapHeader(0);
        writer.WriteNil();
        writer.Write(EventJson.TargetOf(serverEvent));
        writer.WriteArrayHeader(1);
        WireMessagePack.Write(ref writer, serverEvent);
        writer.WriteArrayHeader(0);
        writer.Flush();
        Span<byte> prefix = stackalloc byte[5];
        int length = 0;
        uint rest = (uint)body.WrittenCount;
        do
        {
            prefix[length++] = (byte)((rest & 0x7f) | (rest > 0x7f ? 0x80u : 0));
            rest >>= 7;
        }
        while (rest > 0);
        byte[] message = [.. prefix[..length], .. body.WrittenSpan];
        return framed ? WebSocketFrame.Of(message, binary: true) : message;
    }
}
