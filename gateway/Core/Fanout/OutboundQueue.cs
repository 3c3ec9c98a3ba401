using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// What waits for one connection, and how much that is. The first has a place of its own: usually there is no other, and then nothing else in memory is touched.
/// </summary>
struct OutboundQueue
{
    Outbound _first;
    Queue<Outbound>? _more;

    /// <summary>The newest unsent values by key. Where the queue has the first of them, this one is sent.</summary>
    Dictionary<(ChannelId, string), Outbound>? _latest;

    /// <summary>Bytes that wait, or are being written.</summary>
    public int Bytes { get; private set; }

    /// <summary>Puts the newest value of a key in the place of an older one that waits. False where none does: it is to be queued.</summary>
    public bool TryReplaceLatest(in Outbound outbound)
    {
        if (_latest is null || KeyOf(outbound) is not { } key || !_latest.TryGetValue(key, out var unsent))
        {
            return false;
        }

        _latest[key] = outbound;
        Bytes += outbound.Bytes.Length - unsent.Bytes.Length;
        return true;
    }

    public void Enqueue(in Outbound outbound)
    {
        if (KeyOf(outbound) is { } key)
        {
            (_latest ??= []).Add(key, outbound);
        }

        if (_first.Bytes is null && _more is null or { Count: 0 })
        {
            _first = outbound;
        }
        else
        {
            (_more ??= new(4)).Enqueue(outbound);
        }

        Bytes += outbound.Bytes.Length;
    }

    /// <summary>Takes what is next, as far as it fits. Its bytes count until <see cref="Written"/>.</summary>
    /// <param name="maxBytes">No more is taken once so many have been.</param>
    /// <param name="bytes">How many have been.</param>
    /// <returns>How many events have been taken.</returns>
    public int Take(Outbound[] batch, int maxBytes, out int bytes)
    {
        int count = bytes = 0;
        while (count < batch.Length && bytes < maxBytes && TryDequeue(out var next))
        {
            if (_latest is not null && KeyOf(next) is { } key && _latest.Remove(key, out var newest))
            {
                next = newest;
            }

            batch[count++] = next;
            bytes += next.Bytes.Length;
        }

        return count;
    }

    public void Written(int bytes) => Bytes = Math.Max(0, Bytes - bytes);

    public void Clear() => this = default;

    bool TryDequeue(out Outbound next)
    {
        if (_first.Bytes is not null)
        {
            next = _first;
            _first = default;
            return true;
        }

        next = default;
        return _more is not null && _more.TryDequeue(out next);
    }

    static (ChannelId, string)? KeyOf(in Outbound outbound) =>
        outbound.Event?.Event is MessageReceived { Channel: var channel, Message: { Delivery: Delivery.Latest, Key: { } key } } ? (channel, key) : null;
}
