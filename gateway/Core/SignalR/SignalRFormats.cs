using System.Buffers;
using MessagePack;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>Events as invocations of SignalR's JSON protocol (https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md).</summary>
sealed class SignalRJsonFormat : WireFormat
{
    public static readonly SignalRJsonFormat Instance = new();

    protected internal override byte[] Encode(ServerEvent serverEvent)
    {
        JsonBuffer.Begin();
        JsonBuffer.Append("{\"type\":1,\"target\":\""u8);
        JsonBuffer.Append(EventJson.TargetOf(serverEvent) switch
        {
            "direct" => "direct"u8,
            "notification" => "notification"u8,
            "message" => "message"u8,
            "presence" => "presence"u8,
            "gap" => "gap"u8,
            _ => "closing"u8,
        });
        JsonBuffer.Append("\",\"arguments\":["u8);
        JsonBuffer.Append(serverEvent);
        JsonBuffer.Append("]}\u001e"u8);
        return JsonBuffer.Written.ToArray();
    }
}

/// <summary>Events as invocations of SignalR's MessagePack protocol: a length, then <c>[1, {}, nil, target, [argument], []]</c>.</summary>
sealed class SignalRMessagePackFormat : WireFormat
{
    public static readonly SignalRMessagePackFormat Instance = new();

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
        return [.. prefix[..length], .. body.WrittenSpan];
    }
}
