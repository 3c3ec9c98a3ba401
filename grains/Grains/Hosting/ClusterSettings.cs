using System.Net;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Hosting;

/// <summary>Section <c>Realtime:Cluster</c>: which cluster a process belongs to, and where a silo can be reached.</summary>
public sealed class ClusterSettings
{
    public const string Section = "Realtime:Cluster";

    /// <summary>Silos and gateways with the same id form a cluster.</summary>
    public string ClusterId { get; set; } = "realtime";

    /// <summary>The name under which grain state is kept; it outlives clusters.</summary>
    public string ServiceId { get; set; } = "realtime";

    /// <summary>The IP address at which the others reach this silo. Loopback: all are on one machine.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>TCP port for the other silos; 0 picks a free one.</summary>
    public int SiloPort { get; set; }

    /// <summary>TCP port for the gateways; 0 picks a free one.</summary>
    public int GatewayPort { get; set; }

    /// <summary>Names come from the pod, and silos whose pods are gone are declared dead (Microsoft.Orleans.Hosting.Kubernetes).</summary>
    public bool Kubernetes { get; set; }

    /// <summary>How long a silo waits for another's answer to a probe.</summary>
    public TimeSpan ProbeTimeout { get; set; } = TimeSpan.FromSeconds(1.5);

    /// <summary>Probes missed in a row after which a silo is suspected to be dead.</summary>
    public int MissedProbes { get; set; } = 3;

    /// <summary>How long a call to a grain may take.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

sealed class ClusterSettingsValidator : IValidateOptions<ClusterSettings>
{
    public ValidateOptionsResult Validate(string? name, ClusterSettings options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{ClusterSettings.Section}:{setting} {rule}.");
            }
        }

        Check(options.ClusterId.Length is > 0 and <= 64, nameof(options.ClusterId), "must have 1 to 64 characters");
        Check(options.ServiceId.Length is > 0 and <= 64, nameof(options.ServiceId), "must have 1 to 64 characters");
        Check(IPAddress.TryParse(options.Address, out _), nameof(options.Address), $"must be an IP address, not '{options.Address}'");
        Check(options.SiloPort is >= 0 and <= 65535, nameof(options.SiloPort), "must be a TCP port, or 0 for any");
        Check(options.GatewayPort is >= 0 and <= 65535, nameof(options.GatewayPort), "must be a TCP port, or 0 for any");
        Check(
            options.ProbeTimeout >= TimeSpan.FromMilliseconds(100) && options.ProbeTimeout <= TimeSpan.FromMinutes(1),
            nameof(options.ProbeTimeout),
            "must be 100 ms to 1 minute");
        Check(options.MissedProbes is >= 1 and <= 20, nameof(options.MissedProbes), "must be 1 to 20");
        Check(
            options.ResponseTimeout >= TimeSpan.FromSeconds(1) && options.ResponseTimeout <= TimeSpan.FromMinutes(5),
            nameof(options.ResponseTimeout),
            "must be 1 second to 5 minutes");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
