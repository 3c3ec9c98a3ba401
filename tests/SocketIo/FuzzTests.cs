using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using OrleansRealtime.Gateway.EngineIo;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.SocketIo;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>
/// What a client can send, put together from pieces of the grammar and then broken: the parsers neither throw, nor hang, nor allocate out of
/// proportion. <c>FUZZ_INPUTS</c> says how many inputs each gets (100,000), <c>FUZZ_SEED</c> repeats a run.
/// </summary>
public sealed class FuzzTests
{
    /// <summary>Bytes that an input may cost beyond a multiple of its own size: as much as the first use of a serializer.</summary>
    const int BytesPerInput = 256 << 10, BytesPerByte = 64;

    static readonly SocketIoOptions s_limits = new();

    static readonly byte[][] s_pieces =
    [
        .. new[]
        {
            "0", "1", "2", "3", "4", "5", "6", "40", "42", "43", "451-", "460-", "/admin,", "/", ",", "-", "12", "99999999999999999999", "[", "]", "{", "}", "\"", ":",
            "\"message\"", "[\"message\",{\"roomId\":\"general\",\"message\":\"hello\"}]", "{\"_placeholder\":true,\"num\":0}", "{\"_placeholder\":true,\"num\":-1}",
            "{\"_placeholder\":true,\"num\":99999999999}", "{\"token\":null}", "null", "true", "1e400", "\\u0000", "\\ud800", "\"\\ud800\"", "42[\"\\ud800\"]", "{\"\\ud800\":1}", "{\"roomId\":\"\\udc00\"}", "\u001e", "b", "bAQIDBA==", "bA", "2probe",
            "{\"pid\":\"", "\"room\"", "\"roomId\"", "\"after\"", "\"limit\"", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "é", " ", "\t", "\n",
        }.Select(Encoding.UTF8.GetBytes),
        [0xff], [0xc0, 0x80], [0],
    ];

    static int Inputs { get; } = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_INPUTS"), out int inputs) ? inputs : 100_000;

    static int Seed { get; } = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), out int seed) ? seed : Environment.TickCount;

    [Fact]
    public void Packets_of_Socket_IO() => Run(input =>
    {
        if (!Utf8.IsValid(input.Span) || !SocketIoPacket.TryParse(input, s_limits, out var packet))
        {
            return;
        }

        Assert.InRange(packet.Attachments, 0, s_limits.MaxAttachments);
        Assert.InRange(packet.Namespace.Length, 1, 64);
        IReadOnlyList<ReadOnlyMemory<byte>> attachments = packet.Attachments > 0 ? [new byte[3]] : [];
        switch (packet.Type)
        {
            case PacketType.Event or PacketType.BinaryEvent when SocketIoEventPacket.TryRead(packet.Json.Span, out string? name, out byte[]? arguments):
                UseEvent(name, new EventData(arguments, attachments));
                break;
            case PacketType.Ack or PacketType.BinaryAck:
                UseEvent("ack", new EventData(packet.Json.ToArray(), attachments));
                break;
            case PacketType.Connect when !packet.Json.IsEmpty:
                Refusable(() => SocketIoServer.ReadAuth(new EventData((byte[])[(byte)'[', .. packet.Json.Span, (byte)']'], [])));
                break;
        }
    });

    [Fact]
    public void Payloads_of_long_polling() => Run(input =>
    {
        var payload = input;
        int bytes = 0;
        while (EnginePacket.TryTake(ref payload, out var packet))
        {
            bytes += packet.Length;
            if (packet is { IsEmpty: false } && packet.Span[0] == EnginePacket.Binary)
            {
                EnginePacket.DecodeBinary(packet.Span[1..]);
            }
        }

        Assert.InRange(bytes, 0, input.Length);
    });

    [Fact]
    public void Positions_of_clients_that_come_back() => Run(input =>
    {
        string text = Encoding.Latin1.GetString(input.Span);
        string pid = new string('A', 32) + "." + text;
        SocketIoPosition.TryParse(pid, text, 102, out _);
        if (SocketIoPosition.TryParse(pid, null, 102, out var position))
        {
            Assert.InRange(position.Entries.Count, 1, 102);
        }

        SocketIoPosition.TryParse(text, "AAAAAAAAAAAAAAAA:1", 102, out _);
    });

    static void UseEvent(string name, EventData data)
    {
        BinaryPlaceholders.ToPayload(data.Count > 0 ? data[0].Span : "null"u8, data.Attachments);
        var fields = new EventFields(name, data, "roomId", "message");
        Refusable(() => fields.Room());
        Refusable(() => fields.Message());
        Refusable(() => fields.Page());
        Refusable(() => fields.Text("messageId"));
        try
        {
            data.Get<Dictionary<string, byte[]>>(0);
        }
        catch (JsonException)
        {
            // Data of another form than a handler expects is refused to that client.
        }
    }

    /// <summary>Bad input may be refused with a sentence, and not in any other way.</summary>
    static void Refusable(Action use)
    {
        try
        {
            use();
        }
        catch (RealtimeException)
        {
        }
    }

    static void Run(Action<ReadOnlyMemory<byte>> parse)
    {
        var random = new Random(Seed);
        byte[] buffer = new byte[4096];
        for (int i = 0; i < Inputs; i++)
        {
            int length = Make(random, buffer);
            byte[] input = buffer[..length];
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Environment.TickCount64;
            try
            {
                parse(input);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"Seed {Seed}, input {i}: {Convert.ToHexString(input)}", exception);
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(
                allocated <= BytesPerInput + (BytesPerByte * length) && Environment.TickCount64 - start < 5_000,
                $"Seed {Seed}, input {i} cost {allocated} bytes: {Convert.ToHexString(input)}");
        }
    }

    /// <summary>Pieces one after another; then, sometimes, bytes that are changed, removed or repeated.</summary>
    static int Make(Random random, byte[] buffer)
    {
        int length = 0;
        for (int pieces = random.Next(1, 12); pieces > 0; pieces--)
        {
            byte[] piece = s_pieces[random.Next(s_pieces.Length)];
            piece.CopyTo(buffer, length);
            length += piece.Length;
        }

        for (int changes = random.Next(4) == 0 ? random.Next(1, 5) : 0; changes > 0 && length > 1; changes--)
        {
            int at = random.Next(length - 1);
            switch (random.Next(3))
            {
                case 0:
                    buffer[at] = (byte)random.Next(256);
                    break;
                case 1:
                    buffer.AsSpan(at + 1, length - at - 1).CopyTo(buffer.AsSpan(at));
                    length--;
                    break;
                default:
                    buffer.AsSpan(at, length - at).CopyTo(buffer.AsSpan(at + 1));
                    length++;
                    break;
            }
        }

        return length;
    }
}
