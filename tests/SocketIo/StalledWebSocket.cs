using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>A WebSocket that speaks Engine.IO 4 and Socket.IO 5 by hand, and reads only when it is told to.</summary>
sealed class StalledWebSocket : IStalledClient
{
    readonly ClientWebSocket _socket = new();
    readonly byte[] _buffer = new byte[64 << 10];

    public static async Task<IStalledClient> JoinAsync(Uri server, string token, string room)
    {
        var stalled = new StalledWebSocket();
        await stalled._socket.ConnectAsync(
            new Uri($"ws://{server.Authority}/socket.io/?EIO=4&transport=websocket"), TestContext.Current.CancellationToken);
        await stalled.SendAsync($$"""40{"token":"{{token}}"}""");
        await stalled.SendAsync($"""421["join:room","{room}"]""");
        await stalled.ReadUntilAsync("431");
        return stalled;
    }

    public async Task<IReadOnlyList<Received>> ResumeAsync()
    {
        var received = new List<Received>();
        try
        {
            while (await ReadAsync() is { } packet)
            {
                received.AddRange(EventPackets.Read(packet));
            }
        }
        catch (WebSocketException)
        {
            // Cut off by the server: what came before counts.
        }

        return received;
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    async Task SendAsync(string packet) => await _socket.SendAsync(
        Encoding.UTF8.GetBytes(packet), WebSocketMessageType.Text, true, TestContext.Current.CancellationToken);

    async Task ReadUntilAsync(string start)
    {
        while (!(await ReadAsync())!.StartsWith(start, StringComparison.Ordinal))
        {
        }
    }

    /// <summary>One packet; null at the end.</summary>
    async Task<string?> ReadAsync()
    {
        var packet = new MemoryStream();
        while (true)
        {
            var result = await _socket.ReceiveAsync(_buffer, TestContext.Current.CancellationToken);
            if (result.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            packet.Write(_buffer.AsSpan(0, result.Count));
            if (result.EndOfMessage)
            {
                return Encoding.UTF8.GetString(packet.ToArray());
            }
        }
    }
}

/// <summary>Socket.IO events as they are on the wire, without binary data.</summary>
static class EventPackets
{
    /// <summary>What an event packet of the default namespace (<c>42[…]</c>) brings; nothing for any other packet.</summary>
    public static IEnumerable<Received> Read(string packet)
    {
        if (!packet.StartsWith("42[", StringComparison.Ordinal))
        {
            return [];
        }

        var parts = JsonDocument.Parse(packet[2..]).RootElement.EnumerateArray().ToList();
        return SocketIoTransport.ToReceived(parts[0].GetString()!, parts[1..], epoch: null) is { } received ? [received] : [];
    }
}
