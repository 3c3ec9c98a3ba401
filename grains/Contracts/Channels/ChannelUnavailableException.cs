namespace OrleansRealtime.Channels;

/// <summary>The channel's store does not answer. What was acknowledged is safe; try again later.</summary>
[GenerateSerializer, Alias("OrleansRealtime.ChannelUnavailableException")]
public sealed class ChannelUnavailableException : Exception
{
    public ChannelUnavailableException()
        : base("The message log is not available at the moment.")
    {
    }

    public ChannelUnavailableException(string message)
        : base(message)
    {
    }

    public ChannelUnavailableException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
