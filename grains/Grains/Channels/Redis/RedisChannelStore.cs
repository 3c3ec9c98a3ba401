using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Channels.Redis;

/// <summary>
/// The logs of a cluster, in Redis: a stream, a hash and two keys for the latest values of each channel (docs/redis.md). Every
/// operation is one script and one round trip. An append says which epoch, head and revision it presumes, and Redis itself compares:
/// so an owner that has been overtaken, or a log that has been lost, is noticed before anything is written.
/// </summary>
sealed class RedisChannelStore(RedisConnection redis, TimeProvider time) : IChannelStore, IAsyncDisposable
{
    static readonly TimeSpan MinExpiry = TimeSpan.FromDays(1);

    /// <summary>Beyond it numbers are no longer exact in a script.</summary>
    const long MaxNumber = 1L << 53;

    readonly RedisKeys _keys = new(redis.Options.KeyPrefix);
    readonly ReplicatedAppends? _replicated = redis.Options.Replicas > 0 ? new(redis) : null;

    public bool IsAvailable => redis.IsAnswering;

    public Task<StoredChannel> OpenAsync(ChannelId channel, CancellationToken cancellationToken = default) =>
        OpenAsync(channel, "", cancellationToken);

    public Task<StoredChannel> RenewAsync(ChannelId channel, string epoch, CancellationToken cancellationToken = default) =>
        OpenAsync(channel, epoch, cancellationToken);

    public async Task<AppendOutcome> AppendAsync(
        ChannelId channel, string epoch, IReadOnlyList<Message> messages, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (AppendArguments.TryCreate(epoch, messages) is not { } arguments)
        {
            return AppendOutcome.Conflict;
        }

        RedisKey[] keys = arguments.HasLatest ? KeysOf(channel) : [_keys.Position(channel), _keys.Log(channel)];
        var append = _replicated is { } replicated
            ? replicated.RunAsync(keys, arguments.Values)
            : redis.RunAsync(database => ChannelScripts.Append.EvaluateAsync(database, keys, arguments.Values));
        var result = await append.OrUnavailable();

        // Only now that Redis has answered: what has timed out may still be waiting to be sent.
        arguments.ReturnBuffer();
        return (int)result == 1 ? AppendOutcome.Appended : AppendOutcome.Conflict;
    }

    public async Task<IReadOnlyList<Message>> ReadAsync(
        ChannelId channel, string epoch, long after, int maxCount, int maxBytes, CancellationToken cancellationToken = default)
    {
        RedisKey[] keys = [_keys.Position(channel), _keys.Log(channel)];
        var result = await EvaluateAsync(ChannelScripts.Read, keys, [epoch, Math.Max(after, 0), maxCount, maxBytes], cancellationToken);
        if (result.Length == 0)
        {
            return [];
        }

        long offset = (long)result[0];
        long bytes = maxBytes;
        var messages = new List<Message>(result.Length - 1);
        for (int i = 1; i < result.Length; i++)
        {
            var message = MessageFormat.Read((byte[])result[i]!, offset++, Delivery.Durable);
            bytes -= message.Size;
            if (bytes < 0 && messages.Count > 0)
            {
                break;
            }

            messages.Add(message);
        }

        return messages;
    }

    public async Task<IReadOnlyList<Message>> ReadLatestAsync(
        ChannelId channel, string epoch, long afterRevision, CancellationToken cancellationToken = default)
    {
        var result = await EvaluateAsync(ChannelScripts.ReadLatest, KeysOf(channel), [epoch, afterRevision], cancellationToken);
        var messages = new List<Message>(result.Length / 2);
        for (int i = 0; i < result.Length; i += 2)
        {
            messages.Add(MessageFormat.Read((byte[])result[i + 1]!, (long)result[i], Delivery.Latest));
        }

        return messages;
    }

    public async Task<long> TrimAsync(ChannelId channel, string epoch, Retention retention, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        long oldestTime = (time.GetUtcNow() - DateTimeOffset.UnixEpoch - retention.Age).Ticks / TimeSpan.TicksPerMillisecond;
        double expiry = Math.Clamp(2 * retention.Age.TotalMilliseconds, MinExpiry.TotalMilliseconds, TimeSpan.FromDays(36_500).TotalMilliseconds);
        RedisValue[] arguments = [epoch, retention.Count, oldestTime, Math.Min(retention.Bytes, MaxNumber), (long)expiry];
        return (long)await redis.RunAsync(database => ChannelScripts.Trim.EvaluateAsync(database, KeysOf(channel), arguments)).OrUnavailable();
    }

    public ValueTask DisposeAsync() => _replicated?.DisposeAsync() ?? ValueTask.CompletedTask;

    async Task<StoredChannel> OpenAsync(ChannelId channel, string renew, CancellationToken cancellationToken)
    {
        var result = await EvaluateAsync(
            ChannelScripts.Open, KeysOf(channel), [Epoch.New(channel), renew, (long)MinExpiry.TotalMilliseconds], cancellationToken);
        return new((string)result[0]!, (long)result[1], (long)result[2], (long)result[3]);
    }

    async Task<RedisResult[]> EvaluateAsync(RedisScript script, RedisKey[] keys, RedisValue[] arguments, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return (RedisResult[])(await redis.RunAsync(database => script.EvaluateAsync(database, keys, arguments)).OrUnavailable())!;
    }

    RedisKey[] KeysOf(ChannelId channel) =>
        [_keys.Position(channel), _keys.Log(channel), _keys.Latest(channel), _keys.LatestOrder(channel)];
}
