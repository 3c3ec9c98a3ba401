using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;

namespace OrleansRealtime.Channels;

/// <summary>
/// Looks after the channels of this silo: trims their logs where that is due, and asks again after the leases that went with their silo. One timer for all of them, because most
/// are inboxes with which there is nothing to do.
/// </summary>
sealed class ChannelHousekeeping(TimeProvider time) : BackgroundService
{
    static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    /// <summary>Channels that are looked after side by side.</summary>
    const int AtOnce = 64;

    readonly ConcurrentDictionary<ChannelGrain, byte> _channels = [];

    public void Add(ChannelGrain channel) => _channels.TryAdd(channel, 0);

    public void Remove(ChannelGrain channel) => _channels.TryRemove(channel, out _);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await Parallel.ForEachAsync(
                _channels.Select(entry => entry.Key).Where(channel => channel.NeedsCare),
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stoppingToken },
                async (channel, _) => await channel.LookAfterAsync());
        }
    }
}
