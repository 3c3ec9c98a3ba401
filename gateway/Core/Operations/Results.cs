using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>What a client wants published. <c>Event</c> is <c>message</c> where it is absent.</summary>
public sealed record SendRequest(
    string? Event, Payload? Data, string? MessageId = null, string? Delivery = null, string? Key = null, string? From = null);

/// <summary>Which page of a log: after a cursor, below an offset, or the newest.</summary>
public readonly record struct HistoryRequest(Cursor? After, long? Before, int? Limit);

/// <summary>Delivery of the room has begun; what followed the client's cursor has been sent.</summary>
/// <param name="Recovered">False where messages after the client's cursor are gone for good.</param>
public sealed record JoinResult(string Room, string Cursor, string Epoch, long Offset, bool Recovered);

/// <summary>The message is kept. Transient messages have no place in the log: their offset is 0.</summary>
/// <param name="Duplicate">True where the message id had been accepted before; the rest is that first acknowledgement.</param>
public sealed record PublishAcknowledgement(string Epoch, long Offset, string Cursor, DateTime Time, string? MessageId, bool Duplicate)
{
    internal static PublishAcknowledgement Of(PublishResult result, Publication publication) => new(
        result.Epoch,
        result.Offset,
        new Cursor(result.Epoch, result.Offset).ToString(),
        DateTime.UnixEpoch.AddMilliseconds(result.Time),
        publication.MessageId,
        result.Duplicate);
}

/// <summary>A page of a log, ascending.</summary>
/// <param name="Cursor">What has been seen once the page has been read.</param>
/// <param name="More">Whether there is more in the direction of reading.</param>
/// <param name="Recovered">False where messages after the given cursor are gone for good.</param>
public sealed record History(IReadOnlyList<MessageReceived> Messages, string Cursor, bool More, bool Recovered);

/// <param name="Members">All members, even where <paramref name="List"/> is a sample of them.</param>
public sealed record PresenceResult(string Room, int Members, int Connections, IReadOnlyList<PresentMember> List);

public sealed record PresentMember(string User, int Connections);

public sealed record AuthenticateResult(string User, DateTimeOffset ExpiresAt);

public sealed record ConnectionsResult(string User, IReadOnlyList<ConnectionInfo> Connections);

public sealed record ConnectionInfo(string ConnectionId, string GatewayId, string Transport);

/// <param name="Keys">The newest first.</param>
public sealed record KeysResult(string User, IReadOnlyList<KeyInfo> Keys);

public sealed record KeyInfo(string Key, DateTime AnnouncedAt);

/// <param name="Disconnected">How many connections were told to close.</param>
public sealed record DisconnectResult(int Disconnected);
