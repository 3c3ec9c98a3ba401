using OrleansRealtime.Redis;

namespace OrleansRealtime.Channels.Redis;

static class ChannelOutage
{
    /// <summary>What the command returns. A Redis that is away or cannot do its work is a channel that is not available; a defect stays one.</summary>
    /// <exception cref="ChannelUnavailableException">The command may have been executed or not.</exception>
    public static async Task<T> OrUnavailable<T>(this Task<T> command)
    {
        try
        {
            return await command;
        }
        catch (Exception exception) when (RedisOutage.Is(exception))
        {
            throw new ChannelUnavailableException("Redis, which has the channels, is not available at the moment.", exception);
        }
    }
}
