using OrleansRealtime.Gateways;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// Notices batches that were lost between an outbox and this gateway, where nobody else could: a queue that overflowed, a Redis that
/// came back empty. Two silos may deliver side by side while a queue goes from one to the other.
/// </summary>
sealed class MailboxSequences(TimeProvider time)
{
    /// <summary>How long an outbox is remembered. One that is silent for longer is taken for new, which costs a comparison of the heads.</summary>
    static readonly TimeSpan Memory = TimeSpan.FromMinutes(10);

    readonly Lock _lock = new();
    readonly Dictionary<string, (long Sequence, DateTimeOffset Heard)> _outboxes = [];
    DateTimeOffset _swept = time.GetUtcNow();

    /// <summary>Whether something that the outbox sent before this batch has not come.</summary>
    public bool IsHoleBefore(MailboxBatch batch)
    {
        if (batch.Sequence == 0)
        {
            return false;
        }

        lock (_lock)
        {
            Sweep();
            long last = _outboxes.TryGetValue(batch.Outbox, out var known) ? known.Sequence : 0;
            _outboxes[batch.Outbox] = (Math.Max(last, batch.Sequence), time.GetUtcNow());
            return batch.Sequence > last + 1;
        }
    }

    void Sweep()
    {
        var now = time.GetUtcNow();
        if (now - _swept < Memory)
        {
            return;
        }

        _swept = now;
        foreach (string outbox in _outboxes.Where(o => now - o.Value.Heard >= Memory).Select(static o => o.Key).ToList())
        {
            _outboxes.Remove(outbox);
        }
    }
}
