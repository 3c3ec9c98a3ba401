namespace OrleansRealtime.Tests.Chaos;

enum FaultKind
{
    /// <summary>SIGKILL of a gateway, which is started again after the duration.</summary>
    GatewayKilled,

    /// <summary>SIGSTOP of a gateway, and SIGCONT.</summary>
    GatewayPaused,

    SiloKilled,

    /// <summary>One that is stopped for long is declared dead by the others; it ends when it learns of that, and is started again.</summary>
    SiloPaused,

    /// <summary>SIGKILL of Redis, which comes back with its append-only file.</summary>
    RedisKilled,

    RedisPaused,

    /// <summary>TCP resets of half of all clients' connections.</summary>
    ConnectionsCut,
}

/// <param name="Target">Which silo or gateway; for cut connections which half.</param>
/// <param name="At">Since the schedule's start.</param>
sealed record Fault(int Number, FaultKind Kind, int Target, TimeSpan At, TimeSpan Duration)
{
    public override string ToString() => $"fault {Number}: {Kind} {Target} for {Duration.TotalSeconds:0.0} s";
}
