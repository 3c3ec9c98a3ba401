using OrleansRealtime.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>The logs of a cluster, in Redis.</summary>
sealed class RedisChannelStore(RedisConnection redis, TimeProvider time) : IChannelStore
{
    public bool IsAvailable => redis.IsConnected;

    public Task<StoredChannel> OpenAsync(ChannelId channel, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<AppendOutcome> AppendAsync(ChannelId channel, string epoch, IReadOnlyList<Message> messages, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<Message>> ReadAsync(ChannelId channel, string epoch, long after, int maxCount, int maxBytes, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<IReadOnlyList<Message>> ReadLatestAsync(ChannelId channel, string epoch, long afterRevision, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<StoredChannel> RenewAsync(ChannelId channel, string epoch, CancellationToken cancellationToken = default) => throw new NotImplementedException();

    public Task<long> TrimAsync(ChannelId channel, string epoch, Retention retention, CancellationToken cancellationToken = default) => throw new NotImplementedException($"{redis}{time}");
}
