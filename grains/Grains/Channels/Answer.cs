namespace OrleansRealtime.Channels;

/// <summary>The answer to a gateway's call, by which its own publications may go back to it: then they need no way through its mailbox.</summary>
sealed class Answer(string gatewayId)
{
    public string GatewayId { get; } = gatewayId;

    /// <summary>Whether the gateway gets what it has published by this alone.</summary>
    public bool Delivers { get; set; }
}
