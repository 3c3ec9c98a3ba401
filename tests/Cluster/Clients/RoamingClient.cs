using System.Diagnostics;
using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>
/// A client as an application would write it: when its connection ends it opens another one, on the next gateway, and goes on from its
/// cursor; what it publishes it repeats under the same message id until it is acknowledged. Everything it does is bounded.
/// </summary>
sealed class RoamingClient(Visit visit, OpenConnection open, Func<IReadOnlyList<Uri>> gateways, int first, Ledger ledger) : IAsyncDisposable
{
    static readonly TimeSpan OpenLimit = TimeSpan.FromSeconds(8), AnswerLimit = TimeSpan.FromSeconds(8), PublishLimit = TimeSpan.FromSeconds(90);
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(2);

    int _at = first;
    CancellationTokenSource _stop = new();
    Task _roaming = Task.CompletedTask;
    volatile TaskCompletionSource<IChatConnection> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Visit Visit => visit;

    /// <summary>Where it is connected, or tries to be.</summary>
    public Uri? Gateway { get; private set; }

    public bool IsConnected => _connected.Task.IsCompletedSuccessfully;

    /// <summary>Connections that it has had.</summary>
    public int Connections { get; private set; }

    /// <summary>Comes, and stays until <see cref="LeaveAsync"/>. Completes when it is connected for the first time.</summary>
    public async Task ComeAsync()
    {
        _stop = new();
        _roaming = Task.Run(RoamAsync, CancellationToken.None);
        await _connected.Task.WaitAsync(PublishLimit, TestContext.Current.CancellationToken);
    }

    /// <summary>Goes away, and keeps what it has seen.</summary>
    public async Task LeaveAsync()
    {
        await _stop.CancelAsync();
        await _roaming;
        _stop.Dispose();
    }

    /// <summary>The network fails it.</summary>
    public void Cut()
    {
        if (_connected.Task is { IsCompletedSuccessfully: true, Result: var connection })
        {
            visit.Tell("is cut");
            connection.Cut();
        }
    }

    /// <summary>Publishes until it is acknowledged, and enters that into the ledger. False where that took too long.</summary>
    public async Task<bool> PublishAsync(string channel, string messageId)
    {
        ledger.Try(channel, messageId);
        var begun = DateTime.UtcNow;
        long start = Stopwatch.GetTimestamp();
        var pause = FirstPause;
        for (int attempt = 1; Stopwatch.GetElapsedTime(start) < PublishLimit; attempt++)
        {
            IChatConnection? connection = null;
            try
            {
                connection = await _connected.Task.WaitAsync(AnswerLimit);
                using var limit = new CancellationTokenSource(AnswerLimit);
                var place = await connection.PublishAsync(channel, messageId, limit.Token);
                ledger.Acknowledge(new(visit.User, channel, messageId, place, begun, DateTime.UtcNow, attempt));
                return true;
            }
            catch (RefusedException refusal) when (refusal.MayBeRetried)
            {
                visit.Tell($"{messageId}: {refusal.Message}");
            }
            catch (Exception exception)
            {
                if (exception is RefusedException)
                {
                    ledger.Fail(visit.User, exception.Message);
                }

                // Whether it was kept is not known, and the gateway does not answer: elsewhere, then.
                visit.Tell($"{messageId}: {exception.GetType().Name}: {exception.Message}");
                connection?.Cut();
            }

            await Pause.ForAsync(pause);
            pause = Longer(pause);
        }

        return false;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_roaming.IsCompleted)
        {
            await LeaveAsync();
        }
    }

    static TimeSpan Longer(TimeSpan pause) => TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LongestPause.Ticks));

    async Task RoamAsync()
    {
        var pause = FirstPause;
        while (!_stop.IsCancellationRequested)
        {
            var all = gateways();
            var gateway = Gateway = all[_at++ % all.Count];
            try
            {
                await StayAsync(gateway);
                pause = FirstPause;
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                if (exception is RefusedException { MayBeRetried: false })
                {
                    ledger.Fail(visit.User, exception.Message);
                }

                visit.Tell($"cannot connect to {gateway.Port}: {exception.GetType().Name}: {exception.Message}");
                await Pause.ForAsync(pause);
                pause = Longer(pause);
            }
        }
    }

    /// <summary>Opens a connection and keeps it until it ends.</summary>
    async Task StayAsync(Uri gateway)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        limit.CancelAfter(OpenLimit);
        await using var connection = await open(gateway, visit, limit.Token);
        Connections++;
        visit.Tell($"is connected to {gateway.Port}");
        _connected.SetResult(connection);
        try
        {
            visit.Tell($"has lost {gateway.Port}: {await connection.Ended.WaitAsync(_stop.Token)}");
        }
        finally
        {
            _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
