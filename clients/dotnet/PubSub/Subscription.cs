using OrleansRealtime.Client.PubSub;

namespace OrleansRealtime.Client;

/// <summary>A subscription with a handler. Dispose it to end it.</summary>
public sealed class TopicSubscription : IAsyncDisposable
{
    readonly CancellationTokenSource _ending = new();
    readonly Task _running;

    internal TopicSubscription(RealtimeClient client, TopicPattern pattern, Func<RealtimeMessage, Task> handler)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Begun = begun.Task;
        _running = RunAsync(client, pattern, handler, begun);
    }

    /// <summary>Completes when what is published from now on will come; fails where the token does not allow it.</summary>
    public Task Begun { get; }

    public async ValueTask DisposeAsync()
    {
        if (_ending.IsCancellationRequested)
        {
            return;
        }

        await _ending.CancelAsync();
        await _running;
        _ending.Dispose();
    }

    async Task RunAsync(RealtimeClient client, TopicPattern pattern, Func<RealtimeMessage, Task> handler, TaskCompletionSource begun)
    {
        try
        {
            await foreach (var message in client.ReadTopicsAsync(pattern, begun, _ending.Token))
            {
                try
                {
                    await handler(message);
                }
                catch (Exception exception)
                {
                    client.OnHandlerFailed(exception);
                }
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            begun.TrySetCanceled();
        }
        catch (Exception exception)
        {
            if (!begun.TrySetException(exception))
            {
                client.OnHandlerFailed(exception);
            }
        }
    }
}
