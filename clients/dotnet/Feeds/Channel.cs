using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Messages;

namespace OrleansRealtime.Client.Feeds;

/// <summary>A room, the inbox or the notifications, as the client follows it.</summary>
/// <param name="name"><c>room:general</c>, <c>inbox</c> or <c>notifications</c>, as in the store.</param>
/// <param name="room">Null where it is none.</param>
/// <param name="read">Reads a page of its history after a cursor.</param>
sealed class Channel(
    RealtimeClient client, string name, string? room, Func<HubLink, PageRequest, CancellationToken, Task<MessagePage>> read, Action<MessageGap> onGap) : IFeedSource
{
    MessageFeed? _feed;

    /// <summary>A room that has been left and is joined again has a new one.</summary>
    public MessageFeed Feed => _feed ??= new(room, client.Options.ReaderBuffer, this);

    public string Name => name;

    public bool Decodes => name != "notifications" && client.Codec?.Decodes(room) is true;

    /// <summary>Forgets what has been seen, and ends the readers.</summary>
    public void Reset(Exception? error)
    {
        var feed = Feed;
        _feed = null;
        feed.End(error);
        client.KeepCursor(name, null);
    }

    public async Task<MessagePage> ReadAsync(Cursor after, int limit, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(client.Options.Backoff with { Attempts = int.MaxValue }, Random.Shared.NextDouble);
        while (true)
        {
            var link = await client.WhenLinkedAsync(cancellationToken);
            try
            {
                return await read(link, new() { After = after.ToString(), Limit = limit }, cancellationToken);
            }
            catch (RealtimeClientException exception) when (!exception.IsPermanent)
            {
                if (!link.Ended.IsCompleted)
                {
                    await Task.Delay(backoff.Next()!.Value, client.Options.Time, cancellationToken);
                }
            }
        }
    }

    public ValueTask<RealtimeMessage?> DecodeAsync(RealtimeMessage message, bool live) =>
        Decodes ? client.Codec!.DecodeAsync(room, message, live) : new(message);

    public void OnRead(Cursor cursor) => client.KeepCursor(name, cursor);

    public void OnGap(MessageGap gap) => client.Guard(() => onGap(gap));
}
