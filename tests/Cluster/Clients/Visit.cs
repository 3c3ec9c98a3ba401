using System.Text.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>
/// What a client is and has seen: what it takes along from one connection to the next. Only the connection that it has at the moment
/// may add to the records, so that one that was given up cannot move a cursor behind its successor's back.
/// </summary>
/// <param name="user">The user's id, which is the client's name here.</param>
/// <param name="room">The room that it is in; null for none.</param>
/// <param name="inbox">Whether it follows the user's inbox.</param>
sealed class Visit(string user, string token, string? room, bool inbox, Chronicle chronicle)
{
    readonly Lock _lock = new();
    object? _connection;

    public string User => user;

    public string Token => token;

    public string? RoomName => room;

    public MemberRecord? Room { get; } = room is null ? null : new(user, $"room:{room}");

    public MemberRecord? Inbox { get; } = inbox ? new(user, $"user:{user}") : null;

    /// <summary>Of an event stream: the cursor of all its channels.</summary>
    public string? LastEventId { get; private set; }

    public IEnumerable<MemberRecord> Records => new[] { Room, Inbox }.OfType<MemberRecord>();

    /// <summary>From now on only this connection's words count; null: nobody's.</summary>
    public void Take(object? connection)
    {
        lock (_lock)
        {
            _connection = connection;
        }
    }

    /// <summary>Adds to the records where the connection is still the client's.</summary>
    public void Note(object connection, Action<Visit> note, string? lastEventId = null)
    {
        lock (_lock)
        {
            if (_connection == connection)
            {
                note(this);
                LastEventId = lastEventId ?? LastEventId;
            }
        }
    }

    /// <summary>The part of an event stream's id that is of this record's channel.</summary>
    public static Place? PlaceIn(string id, MemberRecord record)
    {
        var channel = record.Channel.StartsWith("user:", StringComparison.Ordinal)
            ? ChannelId.User(record.Member)
            : ChannelId.Room(Gateway.Operations.RealtimeOperations.ParseRoom(record.Channel["room:".Length..]));
        return id.Split(',').Where(c => Epoch.Belongs(c, channel)).Select(c => (Place?)Place.Parse(c)).FirstOrDefault();
    }

    /// <summary>Takes a <c>gap</c> event. One that answers a cursor comes after the messages that follow the gap.</summary>
    public void OnGap(JsonElement gap)
    {
        var record = gap.TryGetProperty("room", out _) ? Room : gap.TryGetProperty("namespace", out _) ? null : Inbox;
        if (gap.GetProperty("reason").GetString() == "not_recovered")
        {
            record?.NotRecovered();
        }
        else
        {
            record?.Gap(Place.Parse(gap.GetProperty("cursor").GetString()!));
        }
    }

    public void Tell(string text) => chronicle.Write(user, text);
}
