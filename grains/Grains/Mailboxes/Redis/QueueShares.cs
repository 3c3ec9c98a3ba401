
namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>
/// Which silo reads which queue. Every silo works it out for itself from the list of active ones; while they disagree for a moment, a
/// queue has two readers or none, and neither loses anything.
/// </summary>
static class QueueShares
{
    /// <summary>Every queue has its own ranking of the silos, and goes to the first one that has not its fair share yet: a silo that comes or goes moves few queues.</summary>
    public static IReadOnlyCollection<int> Of(SiloAddress silo, IReadOnlyCollection<SiloAddress> active, int queues)
    {
        var mine = new List<int>();
        if (!active.Contains(silo))
        {
            return mine;
        }

        int share = (queues + active.Count - 1) / active.Count;
        var taken = active.ToDictionary(static s => s, static _ => 0);
        for (int queue = 0; queue < queues; queue++)
        {
            var reader = active.Where(s => taken[s] < share).OrderBy(s => Rank(s, queue)).ThenBy(static s => s).First();
            taken[reader]++;
            if (reader.Equals(silo))
            {
                mine.Add(queue);
            }
        }

        return mine;
    }

    /// <summary>The finalizer of SplitMix64: the same everywhere, and unlike <see cref="HashCode"/> in every process.</summary>
    static ulong Rank(SiloAddress silo, int queue)
    {
        ulong x = ((ulong)(uint)silo.GetConsistentHashCode() << 32) | (uint)queue;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
