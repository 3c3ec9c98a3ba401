namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Times and limits of Engine.IO (https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md); the defaults are the reference's.</summary>
public class EngineIoOptions
{
    /// <summary>What clients may use; an upgrade is offered where both are there. Null: both.</summary>
    public string[]? Transports { get; set; }

    /// <summary>How often the server pings.</summary>
    public TimeSpan PingInterval { get; set; } = TimeSpan.FromSeconds(25);

    /// <summary>How long a client may take to answer a ping.</summary>
    public TimeSpan PingTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>How long an upgrade from long-polling to WebSocket may take.</summary>
    public TimeSpan UpgradeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of one WebSocket message, or of one request of long-polling.</summary>
    public int MaxPayload { get; set; } = 1_000_000;

    /// <summary>Whether what goes out over WebSockets is compressed (RFC 7692), in messages of 1 KiB and more. It costs memory for every connection.</summary>
    public bool PerMessageDeflate { get; set; }

    /// <summary>Sessions that have been opened and not been put to use yet; more are refused.</summary>
    public int MaxPending { get; set; } = 10_000;

    internal bool Allows(string transport) => Transports is null || Array.IndexOf(Transports, transport) >= 0;
}
