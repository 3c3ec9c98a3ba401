using System.Globalization;

namespace OrleansRealtime.Bench;

enum ConnectionState
{
    Closed,
    Connecting,
    Upgrading,
    Joining,
    Ready,
}

/// <summary>One client: a WebSocket on one server, in one room.</summary>
sealed class Connection(int number, int room)
{
    public int Number { get; } = number;

    public int Room { get; } = room;

    public string RoomName { get; } = string.Create(CultureInfo.InvariantCulture, $"bench-{room}");

    public int Server { get; set; }

    public int Socket { get; set; } = -1;

    public ConnectionState State { get; set; }

    /// <summary>Where to join; null: from now on.</summary>
    public string? Cursor { get; set; }

    /// <summary>Bytes that have been read and are not a whole frame yet.</summary>
    public byte[] Rest { get; set; } = [];

    public int RestLength { get; set; }

    /// <summary>The frames so far of a message that comes in several.</summary>
    public byte[]? Fragments { get; set; }

    /// <summary>The newest message's number, or offset; -1 before the first.</summary>
    public long Last { get; set; } = -1;

    /// <summary>Publications of this connection that have not been acknowledged.</summary>
    public int Unacknowledged { get; set; }
}
