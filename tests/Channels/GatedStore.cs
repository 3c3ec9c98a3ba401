using OrleansRealtime.Channels;

namespace OrleansRealtime.Tests.Channels;

/// <summary>A store whose appends are counted, can be held back, and can fail as a store does that has written and cannot say so.</summary>
sealed class GatedStore(IChannelStore inner) : IChannelStore
{
    TaskCompletionSource? _gate;

    public int Appends { get; private set; }

    /// <summary>The next append writes, and throws.</summary>
    public bool LoseNextAnswer { get; set; }

    public void Hold() => _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release()
    {
        _gate?.SetResult();
        _gate = null;
    }

    /// <summary>What the next open throws.</summary>
    public Exception? NextOpenFails { get; set; }

    public bool IsAvailable => inner.IsAvailable;

    public Task<StoredChannel> OpenAsync(ChannelId channel, CancellationToken cancellationToken = default)
    {
        if (NextOpenFails is { } failure)
        {
            NextOpenFails = null;
            return Task.FromException<StoredChannel>(failure);
        }

        return inner.OpenAsync(channel, cancellationToken);
    }

    public async Task<AppendOutcome> AppendAsync(
        ChannelId channel, string epoch, IReadOnlyList<Message> messages, CancellationToken cancellationToken = default)
    {
        Appends++;
        if (_gate is { } gate)
        {
            await gate.Task;
        }

        AppendOutcome outcome = await inner.AppendAsync(channel, epoch, messages, cancellationToken);
        if (LoseNextAnswer)
        {
            LoseNextAnswer = false;
            throw new ChannelUnavailableException();
        }

        return outcome;
    }

    public Task<IReadOnlyList<Message>> ReadAsync(
        ChannelId channel, string epoch, long after, int maxCount, int maxBytes, CancellationToken cancellationToken = default) =>
        inner.ReadAsync(channel, epoch, after, maxCount, maxBytes, cancellationToken);

    public Task<IReadOnlyList<Message>> ReadLatestAsync(
        ChannelId channel, string epoch, long afterRevision, CancellationToken cancellationToken = default) =>
        inner.ReadLatestAsync(channel, epoch, afterRevision, cancellationToken);

    public Task<StoredChannel> RenewAsync(ChannelId channel, string epoch, CancellationToken cancellationToken = default) =>
        inner.RenewAsync(channel, epoch, cancellationToken);

    public Task<long> TrimAsync(ChannelId channel, string epoch, Retention retention, CancellationToken cancellationToken = default) =>
        inner.TrimAsync(channel, epoch, retention, cancellationToken);
}
