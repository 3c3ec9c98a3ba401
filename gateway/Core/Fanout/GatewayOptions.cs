using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>Section <c>Realtime:Gateway</c>: the limits of a gateway and of its connections.</summary>
public sealed class GatewayOptions
{
    public const string Section = "Realtime:Gateway";

    /// <summary>Bytes of a message's data at most.</summary>
    public int MaxPayloadBytes { get; set; } = 64 << 10;

    /// <summary>Rooms that one connection may be in.</summary>
    public int MaxRoomsPerConnection { get; set; } = 100;

    /// <summary>Bytes that may wait for one connection. One that falls further behind is closed as <c>slow_consumer</c>.</summary>
    public int QueueBytes { get; set; } = 1 << 20;

    /// <summary>Publications that one connection may have unacknowledged; further ones wait.</summary>
    public int PublishesInFlight { get; set; } = 64;

    /// <summary>How often the gateway renews its lease, and compares a share of its channels with their logs.</summary>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>In how many heartbeats every channel is compared once.</summary>
    public int HeartbeatsPerComparison { get; set; } = 120;

    /// <summary>Connections that a gateway which shuts down sends away in a second; more where they would not all be gone in <see cref="DrainTimeout"/>.</summary>
    public int DrainRate { get; set; } = 500;

    /// <summary>In what time a gateway that shuts down sends all its connections away.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>How long a channel without connections here is still followed.</summary>
    public TimeSpan ChannelLinger { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a closing connection may take to receive its last words.</summary>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Silence after which an SSE stream gets a comment, so that proxies keep it open.</summary>
    public TimeSpan SseHeartbeat { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long an EventSource waits before it reconnects (its <c>retry:</c>).</summary>
    public TimeSpan SseRetry { get; set; } = TimeSpan.FromSeconds(1);
}

sealed class GatewayOptionsValidator : IValidateOptions<GatewayOptions>
{
    public ValidateOptionsResult Validate(string? name, GatewayOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{GatewayOptions.Section}:{setting} {rule}.");
            }
        }

        Check(options.MaxPayloadBytes is >= 1 and <= 16 << 20, nameof(options.MaxPayloadBytes), "must be 1 to 16777216");
        Check(options.MaxRoomsPerConnection is >= 1 and <= 10_000, nameof(options.MaxRoomsPerConnection), "must be 1 to 10000");
        Check(options.QueueBytes >= 64 << 10, nameof(options.QueueBytes), "must be at least 65536");
        Check(options.PublishesInFlight is >= 1 and <= 10_000, nameof(options.PublishesInFlight), "must be 1 to 10000");
        Check(options.Heartbeat >= TimeSpan.FromMilliseconds(100) && options.Heartbeat <= TimeSpan.FromMinutes(1), nameof(options.Heartbeat), "must be 100 ms to 1 minute");
        Check(options.HeartbeatsPerComparison is >= 1 and <= 1000, nameof(options.HeartbeatsPerComparison), "must be 1 to 1000");
        Check(options.DrainRate is >= 1 and <= 1_000_000, nameof(options.DrainRate), "must be 1 to 1000000");
        Check(options.DrainTimeout >= TimeSpan.Zero && options.DrainTimeout <= TimeSpan.FromHours(1), nameof(options.DrainTimeout), "must be 0 to 1 hour");
        Check(options.ChannelLinger >= TimeSpan.Zero, nameof(options.ChannelLinger), "must not be negative");
        Check(options.CloseTimeout > TimeSpan.Zero, nameof(options.CloseTimeout), "must be positive");
        Check(options.SseHeartbeat >= TimeSpan.FromMilliseconds(100), nameof(options.SseHeartbeat), "must be at least 100 ms");
        Check(options.SseRetry >= TimeSpan.Zero, nameof(options.SseRetry), "must not be negative");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
