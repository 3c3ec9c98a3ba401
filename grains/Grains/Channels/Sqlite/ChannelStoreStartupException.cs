namespace OrleansRealtime.Channels.Sqlite;

/// <summary>The store cannot be opened; the process does not start. The message says which file, which setting, and what to do.</summary>
public sealed class ChannelStoreStartupException : InvalidOperationException
{
    public ChannelStoreStartupException()
        : this("The message log cannot be opened.")
    {
    }

    public ChannelStoreStartupException(string message)
        : base(message)
    {
    }

    public ChannelStoreStartupException(string message, Exception? inner)
        : base(message, inner)
    {
    }
}
