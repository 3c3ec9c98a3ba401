using System.Buffers.Text;
using System.Globalization;

namespace OrleansRealtime.Bench;

/// <summary>A room's publisher, and how far its members have got.</summary>
sealed class Room
{
    public Connection Publisher { get; set; } = null!;

    public int Members { get; set; }

    public long Published { get; set; }

    public long Delivered { get; set; }

    public long LastDelivery { get; set; }

    public long DeliveriesInFlight => (Published * Members) - Delivered;
}

/// <summary>
/// Publishes to rooms and checks what comes back. A payload is <c>~T~</c>, the time stamp (16 hexadecimal digits), the room (4), the message's
/// number in the room (8), and <c>x</c> up to its length; the server must pass it on as it is.
/// </summary>
sealed class RoomTraffic
{
    public const int MarkBytes = 3 + StampDigits + RoomDigits + NumberDigits;
    const int StampDigits = 16, RoomDigits = 4, NumberDigits = 8;

    readonly Crowd _crowd;
    readonly byte[][] _frames;
    readonly int _idAt;

    public RoomTraffic(LoadOptions options, Crowd crowd)
    {
        _crowd = crowd;
        Rooms = [.. Enumerable.Range(0, options.Rooms).Select(_ => new Room())];
        _frames = [.. Enumerable.Range(0, options.Rooms).Select(room => Frames.Of(crowd.Dialect.Send
            .Replace("{room}", string.Create(CultureInfo.InvariantCulture, $"bench-{room}"), StringComparison.Ordinal)
            .Replace("{text}", string.Create(CultureInfo.InvariantCulture, $"~T~{0:X16}{room:X4}{0:X8}").PadRight(options.PayloadBytes, 'x'), StringComparison.Ordinal)
            .Replace("{id}", "--------", StringComparison.Ordinal) + crowd.Dialect.End))];
        _idAt = _frames[0].AsSpan().IndexOf("--------"u8);
    }

    public Room[] Rooms { get; }

    public Latencies Latencies { get; private set; } = new();

    /// <summary>Whether deliveries count for <see cref="Latencies"/>.</summary>
    public bool Measuring { get; set; }

    public long Delivered { get; private set; }

    public long Misrouted { get; private set; }

    /// <summary>Messages that were not their connection's next: out of order, repeated, or after one that is missing.</summary>
    public long Disordered { get; private set; }

    public long Expected => Rooms.Sum(room => room.Published * room.Members);

    /// <summary>Counts the members and picks each room's publisher, on the servers in turn.</summary>
    public void Settle(int servers)
    {
        foreach (var connection in _crowd.Connections)
        {
            var room = Rooms[connection.Room];
            room.Members++;
            if (room.Publisher is null || (room.Publisher.Server != connection.Room % servers && connection.Server == connection.Room % servers))
            {
                room.Publisher = connection;
            }
        }
    }

    /// <returns>The message's number, from 1.</returns>
    public long Publish(int number, long stamp) => Publish(number, stamp, Rooms[number].Publisher);

    public long Publish(int number, long stamp, Connection publisher)
    {
        var room = Rooms[number];
        byte[] frame = _frames[number];
        int at = frame.AsSpan().IndexOf("~T~"u8) + 3;
        Write(frame.AsSpan(at, StampDigits), stamp);
        Write(frame.AsSpan(at + StampDigits + RoomDigits, NumberDigits), ++room.Published);
        if (_idAt >= 0)
        {
            Write(frame.AsSpan(_idAt, NumberDigits), room.Published);
        }

        _crowd.Send(publisher, frame);
        return room.Published;
    }

    /// <summary>Takes note of the messages in a text.</summary>
    /// <param name="inOrder">Whether a room's messages come from one publisher, so that their numbers must rise by one.</param>
    /// <returns>The number of the last message in it; 0 where there was none.</returns>
    public long Count(Connection connection, ReadOnlySpan<byte> text, long now, bool inOrder = true)
    {
        var room = Rooms[connection.Room];
        long number = 0;
        for (int at; (at = text.IndexOf("~T~"u8)) >= 0 && text.Length - at >= MarkBytes; text = text[(at + MarkBytes)..])
        {
            var mark = text[(at + 3)..];
            if (Read(mark.Slice(StampDigits, RoomDigits)) != connection.Room)
            {
                Misrouted++;
                continue;
            }

            number = Read(mark.Slice(StampDigits + RoomDigits, NumberDigits));
            if (inOrder && connection.Last >= 0 && number != connection.Last + 1)
            {
                Disordered++;
            }

            connection.Last = inOrder ? number : connection.Last;
            room.Delivered++;
            room.LastDelivery = now;
            Delivered++;
            if (Measuring)
            {
                Latencies.Add(now - Read(mark[..StampDigits]));
            }
        }

        return number;
    }

    /// <summary>Waits until everything has come, for 10 seconds at most, and a moment longer for what should not come.</summary>
    public void Drain()
    {
        for (long end = Clock.Now + Clock.Ticks(10); Delivered < Expected && Clock.Now < end;)
        {
            _crowd.Pump(end);
        }

        _crowd.PumpFor(0.2);
    }

    public void CountDisordered() => Disordered++;

    static void Write(Span<byte> digits, long value)
    {
        for (int i = digits.Length - 1; i >= 0; i--, value >>= 4)
        {
            digits[i] = "0123456789ABCDEF"u8[(int)(value & 15)];
        }
    }

    static long Read(ReadOnlySpan<byte> digits) => Utf8Parser.TryParse(digits, out long value, out _, 'X') ? value : -1;
}
