using OrleansRealtime.Channels;
using OrleansRealtime.Rooms;

namespace OrleansRealtime.PubSub;

public static class TopicPublishing
{
    /// <summary>How often the channel's owner may have changed meanwhile.</summary>
    const int Attempts = 3;

    /// <summary>
    /// Publishes for code that has a grain factory, above all grains: <c>await GrainFactory.PublishToTopicAsync("orders.created", order)</c>. Completes when the
    /// message is kept.
    /// </summary>
    /// <param name="topic">As <see cref="Topic"/> has it.</param>
    /// <param name="data">An object, as JSON with camel-case names; <c>byte[]</c>; or a <see cref="Payload"/>.</param>
    /// <param name="messageId">A publication that is repeated under the same id is not delivered again.</param>
    /// <returns>The message's place in the log of the topic's channel.</returns>
    /// <exception cref="ArgumentException">It is not a topic.</exception>
    /// <exception cref="ChannelUnavailableException">It cannot be kept now; try again under the same message id.</exception>
    public static async Task<Cursor> PublishToTopicAsync(this IGrainFactory grains, string topic, object? data, string? messageId = null)
    {
        var parsed = Topic.Parse(topic);
        var room = grains.GetGrain<IRoomGrain>($"{RoomName.DefaultNamespace}:{parsed.Room}");
        var publication = new Publication(parsed.Name, Payload.Of(data), MessageId: messageId);
        PublishResult result;
        int attempts = 0;
        do
        {
            result = await room.Publish(publication);
        }
        while (result.Status == PublishStatus.NotKept && ++attempts < Attempts);
        return result.Status switch
        {
            PublishStatus.Accepted => new(result.Epoch, result.Offset),
            PublishStatus.Overloaded => throw new ChannelUnavailableException("More is waiting to be kept than the channel allows. Slow down, and retry under the same message id."),
            _ => throw new ChannelUnavailableException(),
        };
    }
}
