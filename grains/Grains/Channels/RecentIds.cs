namespace OrleansRealtime.Channels;

/// <summary>
/// The message ids a channel has accepted lately, per publisher: so that a retry gets the first try's acknowledgement, and one
/// publisher's ids are nothing to another's.
/// </summary>
sealed class RecentIds(int maxCount, TimeSpan window)
{
    readonly Dictionary<(string? From, string Id), (long Offset, long Time)> _accepted = [];
    readonly Queue<(string? From, string Id, long Time)> _order = new();

    public bool TryFind(string? from, string id, out (long Offset, long Time) accepted) => _accepted.TryGetValue((from, id), out accepted);

    public void Add(Message message)
    {
        if (message.MessageId is not { } id || maxCount == 0 || !_accepted.TryAdd((message.From, id), (message.Offset, message.Time)))
        {
            return;
        }

        _order.Enqueue((message.From, id, message.Time));
        Forget(message.Time);
    }

    public void Clear()
    {
        _accepted.Clear();
        _order.Clear();
    }

    void Forget(long now)
    {
        long expired = now - (long)window.TotalMilliseconds;
        while (_order.TryPeek(out var oldest) && (_order.Count > maxCount || oldest.Time < expired))
        {
            _order.Dequeue();
            _accepted.Remove((oldest.From, oldest.Id));
        }
    }
}
