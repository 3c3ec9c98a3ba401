using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateways;

/// <summary>Section <c>Realtime:Gateways</c>: how a silo looks after the gateways.</summary>
public sealed class GatewayLeaseOptions
{
    public const string Section = "Realtime:Gateways";

    /// <summary>How long a gateway may be silent before the rooms and users it served forget it.</summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Events that may wait for one gateway in a silo; beyond it they are dropped, and the gateway reads what it missed from the logs.</summary>
    public int OutboxEvents { get; set; } = 65_536;

    /// <summary>Bytes that may wait for one gateway in a silo.</summary>
    public long OutboxBytes { get; set; } = 64 << 20;
}

sealed class GatewayLeaseOptionsValidator : IValidateOptions<GatewayLeaseOptions>
{
    public ValidateOptionsResult Validate(string? name, GatewayLeaseOptions options) =>
        options.Lease < TimeSpan.FromSeconds(1) ? ValidateOptionsResult.Fail($"{GatewayLeaseOptions.Section}:{nameof(options.Lease)} must be at least 1 second.")
        : options.OutboxEvents < 256 ? ValidateOptionsResult.Fail($"{GatewayLeaseOptions.Section}:{nameof(options.OutboxEvents)} must be at least 256.")
        : options.OutboxBytes < 1 << 20 ? ValidateOptionsResult.Fail($"{GatewayLeaseOptions.Section}:{nameof(options.OutboxBytes)} must be at least 1048576.")
        : ValidateOptionsResult.Success;
}
