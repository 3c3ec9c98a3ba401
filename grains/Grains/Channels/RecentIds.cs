namespace OrleansRealtime.Channels;

/// <summary>
/// The message ids a channel has accepted lately, per publisher: so that a retry gets the first try's acknowledgement, and one
/// publisher's ids are nothing to another's.
/// </summary>
sealed class RecentIds(int maxCount, TimeSpan window)
{
    // Null until there is one: most channels are inboxes to which little comes.
    Dictionary<(string? From, string Id), (long Offset, long Time)>? _accepted;
    Queue<(string? From, string Id, long Time)>? _order;

    public bool TryFind(string? from, string id, out (long Offset, long Time) accepted)
    {
        accepted = default;
        return _accepted is not null && _accepted.TryGetValue((from, id), out accepted);
    }

    public void Add(Message message)
    {
        if (message.MessageId is not { } id || maxCount == 0)
        {
            return;
        }

        (_accepted, _order) = (_accepted ?? [], _order ?? new());
        if (_accepted.TryAdd((message.From, id), (message.Offset, message.Time)))
        {
            _order.Enqueue((message.From, id, message.Time));
            Forget(_accepted, _order, message.Time);
        }
    }

    public void Clear()
    {
        (_accepted, _order) = (null, null);
    }

    void Forget(Dictionary<(string? From, string Id), (long Offset, long Time)> accepted, Queue<(string? From, string Id, long Time)> order, long now)
    {
        long expired = now - (long)window.TotalMilliseconds;
        while (order.TryPeek(out var oldest) && (order.Count > maxCount || oldest.Time < expired))
        {
            order.Dequeue();
            accepted.Remove((oldest.From, oldest.Id));
        }
    }
}
