using System.Collections.Concurrent;
using System.Threading.Channels;

namespace OrleansRealtime.Tests.Contracts;

/// <summary>What a client has received, by kind, in order.</summary>
sealed class ReceivedQueue
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    readonly ConcurrentDictionary<string, Channel<Received>> _kinds = new();

    public void Add(Received received) => Kind(received.Kind).Writer.TryWrite(received);

    public async Task<Received> NextAsync(string kind)
    {
        try
        {
            return await Kind(kind).Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"No '{kind}' within {Limit.TotalSeconds} s. There are: {string.Join(", ", _kinds.Select(k => $"{k.Key}: {k.Value.Reader.Count}"))}.");
        }
    }

    public bool TryNext(string kind, out Received? received) => Kind(kind).Reader.TryRead(out received);

    Channel<Received> Kind(string kind) => _kinds.GetOrAdd(kind, _ => Channel.CreateUnbounded<Received>());
}
