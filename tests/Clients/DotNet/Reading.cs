using OrleansRealtime.Client;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>A reader that notes what it reads.</summary>
sealed class Reading : IAsyncDisposable
{
    readonly CancellationTokenSource _ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    readonly List<RealtimeMessage> _messages = [];
    readonly Task _reading;

    public Reading(IAsyncEnumerable<RealtimeMessage> messages) => _reading = ReadAsync(messages);

    public IReadOnlyList<RealtimeMessage> Messages
    {
        get
        {
            lock (_messages)
            {
                return [.. _messages];
            }
        }
    }

    public IReadOnlyList<string> Texts => [.. Messages.Select(m => m.Data.ToString())];

    /// <summary>Waits until so many have been read, and returns their data.</summary>
    public async Task<IReadOnlyList<string>> TextsAsync(int count)
    {
        await Eventually.True($"{count} messages have come", () => _reading.IsFaulted || Messages.Count >= count, () => string.Join(", ", Texts));
        if (_reading.IsFaulted)
        {
            await _reading;
        }

        return Texts;
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        try
        {
            await _reading;
        }
        catch (OperationCanceledException)
        {
            // That is its end.
        }

        _ending.Dispose();
    }

    async Task ReadAsync(IAsyncEnumerable<RealtimeMessage> messages)
    {
        await foreach (var message in messages.WithCancellation(_ending.Token))
        {
            lock (_messages)
            {
                _messages.Add(message);
            }
        }
    }
}
