using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// Reads a channel's log page by page. Whoever asks for the same page while it is being read shares the read and the encoded bytes, so
/// that many clients who come back at once cost the grain little.
/// </summary>
sealed class ChannelPages(ChannelId channel, IClusterClient cluster)
{
    /// <summary>Messages of one read.</summary>
    public const int PageSize = 500;

    readonly Dictionary<Cursor, Task<Page>> _reads = [];

    public async Task<Page> ReadAsync(Cursor after, CancellationToken cancellationToken)
    {
        Task<Page>? read;
        lock (_reads)
        {
            if (!_reads.TryGetValue(after, out read))
            {
                _reads.Add(after, read = ReadPageAsync(after));
            }
        }

        return await read.WaitAsync(cancellationToken);
    }

    async Task<Page> ReadPageAsync(Cursor after)
    {
        // Not under the caller's lock.
        await Task.Yield();
        try
        {
            var page = await cluster.GetChannel(channel).Read(new(after, null, PageSize));
            return new(page.Head, [.. page.Messages.Select(m => new PreparedEvent(new MessageReceived(channel, page.Head.Epoch, m)))], page.Recovered, page.More);
        }
        finally
        {
            lock (_reads)
            {
                _reads.Remove(after);
            }
        }
    }

    internal sealed record Page(ChannelHead Head, IReadOnlyList<PreparedEvent> Messages, bool Recovered, bool More);
}
