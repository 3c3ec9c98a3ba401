namespace OrleansRealtime.Channels;

/// <summary>
/// Keeps the logs of all channels. One activation owns a channel at a time and is the only one to append to it; the store itself
/// refuses an owner that has been overtaken. All members may be called concurrently. Where the store cannot be reached they throw
/// <see cref="ChannelUnavailableException"/>, and an append may then have happened or not.
/// </summary>
public interface IChannelStore
{
    /// <summary>Whether the store answers at the moment, as far as is known without asking it.</summary>
    bool IsAvailable { get; }

    /// <summary>Opens a channel, creating it with a new epoch where it does not exist.</summary>
    Task<StoredChannel> OpenAsync(ChannelId channel, CancellationToken cancellationToken = default);

    /// <summary>
    /// Appends messages, all or none. Durable messages carry consecutive offsets that start one past the channel's head;
    /// latest values carry rising revisions and replace the value of their key. Either may be absent.
    /// </summary>
    Task<AppendOutcome> AppendAsync(ChannelId channel, string epoch, IReadOnlyList<Message> messages, CancellationToken cancellationToken = default);

    /// <summary>
    /// Durable messages with offsets above <paramref name="after"/>, ascending and without holes, beginning at the oldest one kept:
    /// at most <paramref name="maxCount"/> of them, and no more than fit into <paramref name="maxBytes"/> of <see cref="Message.Size"/>
    /// but at least one. Empty where there are none, or the epoch is not the channel's.
    /// </summary>
    Task<IReadOnlyList<Message>> ReadAsync(
        ChannelId channel, string epoch, long after, int maxCount, int maxBytes, CancellationToken cancellationToken = default);

    /// <summary>The newest value of each key whose revision is above <paramref name="afterRevision"/>, by rising revision.</summary>
    Task<IReadOnlyList<Message>> ReadLatestAsync(
        ChannelId channel, string epoch, long afterRevision, CancellationToken cancellationToken = default);

    /// <summary>
    /// Begins a new epoch where the channel's is still <paramref name="epoch"/>, and keeps its messages, whose offsets count on: for a
    /// store that has come back without messages it had acknowledged. Returns the channel as it is then.
    /// </summary>
    Task<StoredChannel> RenewAsync(ChannelId channel, string epoch, CancellationToken cancellationToken = default);

    /// <summary>
    /// Removes the oldest messages until all three limits hold, and latest values that are older than <see cref="Retention.Age"/>
    /// or beyond <see cref="Retention.Count"/> keys (the oldest first). Returns the oldest offset that is left, or one past the head.
    /// </summary>
    Task<long> TrimAsync(ChannelId channel, string epoch, Retention retention, CancellationToken cancellationToken = default);
}

/// <summary>A channel as the store has it.</summary>
/// <param name="Epoch">The log's incarnation.</param>
/// <param name="Head">The newest offset ever appended in this epoch, even where it has been trimmed; 0 for none.</param>
/// <param name="First">The oldest offset that is kept; one past the head where none is.</param>
/// <param name="Revision">The newest revision ever appended in this epoch; 0 for none.</param>
public readonly record struct StoredChannel(string Epoch, long Head, long First, long Revision);

public enum AppendOutcome
{
    Appended,

    /// <summary>The offsets do not follow the stored head, or the epoch is another one: somebody else owns the channel now. Nothing was written.</summary>
    Conflict,
}

/// <summary>How much of a log is kept. A message beyond any of the limits goes.</summary>
/// <param name="Count">Messages.</param>
/// <param name="Age">By <see cref="Message.Time"/>.</param>
/// <param name="Bytes">Sum of <see cref="Message.Size"/>.</param>
public readonly record struct Retention(int Count, TimeSpan Age, long Bytes);
