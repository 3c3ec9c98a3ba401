using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Channels;

/// <summary>
/// Has the channels of this silo repeat their heads once nothing has been published for <see cref="ChannelOptions.HeadRepetition"/>. One timer for all of them: one each would wake the
/// silo for every room in which somebody talks.
/// </summary>
sealed class HeadRepeater(IOptions<ChannelOptions> options, TimeProvider time) : BackgroundService
{
    /// <summary>A head may be repeated later than it is due by one such part of the time.</summary>
    const int Parts = 4;

    readonly ConcurrentDictionary<ChannelGrain, byte> _waiting = [];

    public void Add(ChannelGrain channel) => _waiting.TryAdd(channel, 0);

    public void Remove(ChannelGrain channel) => _waiting.TryRemove(channel, out _);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.HeadRepetition / Parts, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var (channel, _) in _waiting)
            {
                if (channel.Silence >= options.Value.HeadRepetition)
                {
                    Remove(channel);
                    channel.RepeatHead();
                }
            }
        }
    }
}
