using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Channels;

/// <summary>What every channel's grain needs of its silo.</summary>
sealed class ChannelServices(
    IChannelStore store,
    IInterestStore interests,
    IOptions<ChannelOptions> options,
    Outboxes outboxes,
    SiloDepartures departures,
    ChannelHousekeeping housekeeping,
    HeadRepeater heads,
    TimeProvider time,
    ILoggerFactory loggers)
{
    public IChannelStore Store { get; } = store;

    public IInterestStore Interests { get; } = interests;

    public ChannelOptions Options { get; } = options.Value;

    public Outboxes Outboxes { get; } = outboxes;

    public SiloDepartures Departures { get; } = departures;

    public ChannelHousekeeping Housekeeping { get; } = housekeeping;

    public HeadRepeater Heads { get; } = heads;

    public TimeProvider Time { get; } = time;

    /// <summary>Whether what was last to be kept for a next activation could not be.</summary>
    public bool KeepingFails { get; set; }

    public ILogger Logger { get; } = loggers.CreateLogger("OrleansRealtime.Channels");
}
