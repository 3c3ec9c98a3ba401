using System.Text.Json;
using System.Text.Json.Serialization;

namespace OrleansRealtime.Client;

/// <summary>A message of a room, of one's inbox, or to everybody (docs/api.md, "A message").</summary>
public sealed record RealtimeMessage
{
    /// <summary>Null for direct messages and notifications.</summary>
    public string? Room { get; init; }

    /// <summary>Of notifications.</summary>
    public string? Namespace { get; init; }

    public string Event { get; init; } = "message";

    public JsonElement Data { get; init; }

    /// <summary>The publisher's user id; null where the server itself published.</summary>
    public string? From { get; init; }

    /// <summary>The place in the log; null where the message is not kept in it.</summary>
    public long? Offset { get; init; }

    public string? Epoch { get; init; }

    /// <summary>What has been seen once this message has been.</summary>
    public string? Cursor { get; init; }

    public DateTimeOffset Time { get; init; }

    public string? MessageId { get; init; }

    /// <summary><c>transient</c> or <c>latest</c>; null for messages that are kept in the log.</summary>
    public string? Delivery { get; init; }

    /// <summary>Of a <c>latest</c> value, with <see cref="Revision"/>.</summary>
    public string? Key { get; init; }

    public long? Revision { get; init; }

    /// <summary><c>base64</c> where the data is binary, <c>mixed</c> where there is binary data in it (docs/api.md).</summary>
    public string? Encoding { get; init; }

    /// <summary>Whether it was encrypted by its sender, and has been found to be whole.</summary>
    [JsonIgnore]
    public bool IsEncrypted { get; init; }

    internal Messages.Cursor? Place => Offset is > 0 and { } offset && Epoch is { } epoch ? new(epoch, offset) : null;

    /// <summary>The data as an object of the application's.</summary>
    public T? DataAs<T>(JsonSerializerOptions? options = null) => Data.ValueKind == JsonValueKind.Undefined
        ? default
        : Data.Deserialize<T>(options ?? JsonSerializerOptions.Web);

    /// <summary>Binary data.</summary>
    public byte[] Bytes() => Encoding == "base64" ? Data.GetBytesFromBase64() : throw new InvalidOperationException("The data of this message is JSON.");
}

/// <summary>The message is kept. Transient messages have no place in the log: their offset is 0.</summary>
/// <param name="Duplicate">True where the message id had been accepted before; the rest is that first acknowledgement.</param>
public sealed record Acknowledgement(string Epoch, long Offset, string Cursor, DateTimeOffset Time, string? MessageId, bool Duplicate);

/// <summary>A page of a log, ascending.</summary>
/// <param name="Cursor">What has been seen once the page has been read.</param>
/// <param name="More">Whether there is more in the direction of reading.</param>
/// <param name="Recovered">False where messages after the given cursor are gone for good.</param>
public sealed record MessagePage(IReadOnlyList<RealtimeMessage> Messages, string Cursor, bool More, bool Recovered);

/// <summary>Which page: after a cursor, below an offset, or the newest where neither is given.</summary>
public sealed record PageRequest
{
    public string? After { get; init; }

    public long? Before { get; init; }

    /// <summary>1 to 500; 50 where null.</summary>
    public int? Limit { get; init; }
}

/// <summary>Messages are gone for good: the server's history no longer reaches back to what this client has seen.</summary>
/// <param name="Room">Null for the inbox and notifications.</param>
/// <param name="Reason"><c>new_epoch</c>, <c>trimmed</c> or <c>not_recovered</c> (docs/api.md).</param>
/// <param name="Cursor">After which it goes on.</param>
public sealed record MessageGap(string? Room, string Reason, string Cursor);
