using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>What has to be looked after every second: tokens that run out, channels and uplinks that are idle, inboxes that were handed out.</summary>
sealed partial class Housekeeping(
    LocalChannels channels, Uplinks uplinks, ClientConnections connections, TimeProvider time, ILogger<Housekeeping> logger)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    protected override async Task RunOnceAsync()
    {
        try
        {
            connections.CloseExpired();
            channels.Sweep();
            uplinks.Sweep();
            await channels.ReportDeliveredAsync();
        }
        catch (Exception exception)
        {
            Failed(exception);
        }
    }

    [LoggerMessage(1, LogLevel.Error, "Housekeeping failed; it is done again in a second.")]
    partial void Failed(Exception exception);
}
