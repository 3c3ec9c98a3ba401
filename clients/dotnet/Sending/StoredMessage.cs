using System.Text.Json;

namespace OrleansRealtime.Client.Sending;

/// <summary>A message of the outbox as it is kept in the store.</summary>
sealed record StoredMessage(
    TargetKind Kind, string Name, string Event, JsonElement Data, string MessageId, string? Delivery, string? Key, DateTimeOffset? FirstSentAt)
{
    public static string Write(SentMessage message) => JsonSerializer.Serialize(new StoredMessage(
        message.Target.Kind, message.Target.Name, message.Event, message.Data, message.MessageId, message.Delivery, message.Key, message.FirstSentAt));

    public static SentMessage Read(Outbox outbox, string storedAs, string text)
    {
        var stored = JsonSerializer.Deserialize<StoredMessage>(text)!;
        var options = new SendOptions { Event = stored.Event, Delivery = stored.Delivery, Key = stored.Key };
        return new(outbox, new(stored.Kind, stored.Name), stored.Data, options, stored.MessageId) { FirstSentAt = stored.FirstSentAt, IsUncertain = stored.FirstSentAt is not null, StoredAs = storedAs };
    }
}
