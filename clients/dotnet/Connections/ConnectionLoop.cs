using System.Text.Json;

namespace OrleansRealtime.Client.Connections;

/// <summary>What a loop needs of the client.</summary>
interface IConnected
{
    /// <summary>Where to connect, with the cursors of the inbox and the notifications.</summary>
    Task<Uri> AddressAsync(CancellationToken cancellationToken);

    /// <summary>The link is open: what is to happen before it counts as connected. A failure ends the link.</summary>
    Task ReadyAsync(HubLink link, CancellationToken cancellationToken);

    /// <summary>As the server's events are read; must not block or throw.</summary>
    void OnEvent(HubLink link, string name, JsonElement argument);

    void OnState(ConnectionInfo info);
}

/// <summary>Keeps one link to the server, with a new one for each that is lost, until it is given up or closed.</summary>
sealed class ConnectionLoop(RealtimeClientOptions options, TokenSource tokens, IConnected client, Func<double> random) : IAsyncDisposable
{
    /// <summary>A link that lived shorter than this is not replaced at once, whatever was said when it ended.</summary>
    static readonly TimeSpan Settled = TimeSpan.FromSeconds(5);

    /// <summary>Between renewals of a token; a longer timer than 24.8 days would fire at once.</summary>
    static readonly TimeSpan LeastRenewal = TimeSpan.FromSeconds(2), MostRenewal = TimeSpan.FromDays(1);

    readonly Lock _lock = new();
    readonly CancellationTokenSource _closing = new();
    readonly Backoff _backoff = new(options.Backoff, random);

    // Of the same links; the one fails when the client gives up, the other only when it is closed.
    TaskCompletionSource<HubLink> _connected = NewCompletion(), _linked = NewCompletion();
    CancellationTokenSource? _attempt;
    Task _running = Task.CompletedTask;
    bool _isOver;

    public ConnectionInfo Info { get; private set; } = new(ConnectionState.Closed);

    /// <summary>The link there is, in the state connected; null otherwise.</summary>
    public HubLink? Link => _connected.Task.IsCompletedSuccessfully ? _connected.Task.Result : null;

    /// <summary>Begins, or begins anew where the client has given up.</summary>
    public void Open()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isOver, typeof(RealtimeClient));
            if (Info.State is ConnectionState.Closed or ConnectionState.Failed)
            {
                if (_connected.Task.IsFaulted)
                {
                    _connected = NewCompletion();
                }

                _backoff.Reset();
                Report(Info with { State = ConnectionState.Connecting, Attempt = 1, RetryAt = null });
                _running = RunAsync(_running);
            }
        }
    }

    /// <summary>Drops what there is, waiting included, and connects now.</summary>
    public void Restart()
    {
        Open();
        CancellationTokenSource? attempt;
        lock (_lock)
        {
            _backoff.Reset();
            attempt = _attempt;
        }

        try
        {
            attempt?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has just ended by itself, and the next begins.
        }
    }

    /// <summary>Completes when connected; fails when the client has given up or is closed.</summary>
    public Task<HubLink> WhenConnectedAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return _connected.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Completes when connected, however often the client gives up before that; fails when it is closed.</summary>
    public async Task<HubLink> WhenLinkedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task<HubLink> linked;
            lock (_lock)
            {
                linked = _linked.Task;
            }

            var link = await linked.WaitAsync(cancellationToken);
            if (!link.Ended.IsCompleted)
            {
                return link;
            }

            await link.Dropped.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Sets what <see cref="RealtimeClient.PingAsync"/> has measured.</summary>
    public void Measured(TimeSpan latency)
    {
        lock (_lock)
        {
            Info = Info with { Latency = latency };
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_isOver)
            {
                return;
            }

            _isOver = true;
        }

        await _closing.CancelAsync();
        await _running;
        lock (_lock)
        {
            Fail(new(RealtimeClientErrors.Closed, "The client has been closed."), ConnectionState.Closed);
        }

        _closing.Dispose();
    }

    /// <summary>Never fails.</summary>
    async Task RunAsync(Task before)
    {
        // Not under the lock of whoever opens.
        await Task.Yield();
        await before;
        var reason = TokenReason.Connecting;
        while (!_closing.IsCancellationRequested)
        {
            using var attempt = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            _attempt = attempt;
            var end = await AttemptAsync(reason, attempt.Token);
            bool restarted = attempt.IsCancellationRequested;
            if (_closing.IsCancellationRequested || !TryGoOn(end, restarted, ref reason, out var wait))
            {
                return;
            }

            if (wait > TimeSpan.Zero)
            {
                // Restart() may come in between.
                using var waiting = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
                _attempt = waiting;
                await Task.Delay(wait, options.Time, waiting.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>One link from its beginning to its end.</summary>
    async Task<LinkEnd> AttemptAsync(TokenReason reason, CancellationToken cancellationToken)
    {
        HubLink? link = null;
        long? connectedAt = null;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            using (var timer = options.Time.CreateTimer(_ => limit.Cancel(), null, options.ConnectTimeout, Timeout.InfiniteTimeSpan))
            {
                string token = await tokens.GetAsync(reason, limit.Token);
                link = await HubLink.OpenAsync(options, await client.AddressAsync(limit.Token), token, client.OnEvent, limit.Token);
            }

            await client.ReadyAsync(link, cancellationToken);
            if (!TryBeConnected(link))
            {
                return new(await link.Ended, link.Closing, null);
            }

            connectedAt = options.Time.GetTimestamp();
            var renewing = RenewAsync(link, cancellationToken);
            var ended = await link.Ended.WaitAsync(cancellationToken);
            return new(ended, link.Closing, options.Time.GetElapsedTime(connectedAt.Value));
        }
        catch (OperationCanceledException exception)
        {
            return new(new(RealtimeClientErrors.ConnectionLost, "The server did not answer in time.", exception), link?.Closing, null);
        }
        catch (RealtimeClientException exception)
        {
            return new(link?.Closing is { } closing ? new(closing.Reason, closing.Message ?? exception.Message, exception) : exception, link?.Closing, null);
        }
        catch (Exception exception)
        {
            return new(new(RealtimeClientErrors.ConnectionLost, $"No token, or no connection: {exception.Message}", exception), link?.Closing, null);
        }
        finally
        {
            Lose();
            if (link is not null)
            {
                await link.DisposeAsync();
            }
        }
    }

    bool TryBeConnected(HubLink link)
    {
        lock (_lock)
        {
            if (link.Ended.IsCompleted)
            {
                return false;
            }

            bool first = Info.ConnectedAt is null;
            _backoff.Reset();
            Report(Info with
            {
                State = ConnectionState.Connected,
                Attempt = 0,
                RetryAt = null,
                Reconnects = first ? 0 : Info.Reconnects + 1,
                ConnectedAt = options.Time.GetUtcNow(),
            });
            _connected.TrySetResult(link);
            _linked.TrySetResult(link);
            return true;
        }
    }

    void Lose()
    {
        lock (_lock)
        {
            if (_connected.Task.IsCompletedSuccessfully)
            {
                _connected = NewCompletion();
                _linked = NewCompletion();
            }
        }
    }

    /// <summary>False where the client gives up.</summary>
    bool TryGoOn(LinkEnd end, bool restarted, ref TokenReason reason, out TimeSpan wait)
    {
        wait = TimeSpan.Zero;
        bool refused = end.Error.Code is "unauthenticated" or "token_expired";
        lock (_lock)
        {
            if (restarted)
            {
                Report(Info with { State = ConnectionState.Reconnecting, Attempt = 1, RetryAt = null });
                return true;
            }

            bool wasRefused = reason == TokenReason.Refused && end.Lived is null;
            if (end.Closing is { Reconnect: false } || (refused && (wasRefused || !tokens.IsRenewable)) || (!refused && end.Closing is null && end.Error.IsPermanent))
            {
                Fail(end.Error, ConnectionState.Failed);
                return false;
            }

            reason = refused ? TokenReason.Refused : TokenReason.Connecting;
            bool atOnce = refused || (end.Closing is { Reason: not "slow_consumer" } && end.Lived > Settled);
            if (!atOnce)
            {
                if (_backoff.Next() is not { } next)
                {
                    Fail(new(RealtimeClientErrors.Unreachable, "The server cannot be reached.", end.Error), ConnectionState.Failed);
                    return false;
                }

                wait = next;
            }

            Report(Info with
            {
                State = Info.ConnectedAt is null ? ConnectionState.Connecting : ConnectionState.Reconnecting,
                Attempt = Math.Max(1, _backoff.Attempts),
                RetryAt = options.Time.GetUtcNow() + wait,
                Error = end.Error,
            });
            return true;
        }
    }

    void Fail(RealtimeClientException error, ConnectionState state)
    {
        if (_connected.Task.IsCompleted)
        {
            _connected = NewCompletion();
        }

        _connected.TrySetException(error);

        // Nobody need be waiting for it.
        _ = _connected.Task.Exception;
        if (state == ConnectionState.Closed)
        {
            _linked.TrySetException(error);
            _ = _linked.Task.Exception;
        }

        Report(Info with { State = state, RetryAt = null, Attempt = 0, Error = error });
    }

    /// <summary>Renews the token with a fifth of its life left, for as long as the link is there.</summary>
    async Task RenewAsync(HubLink link, CancellationToken cancellationToken)
    {
        while (tokens is { IsRenewable: true, ExpiresAt: { } expiresAt })
        {
            var remaining = (expiresAt - options.Time.GetUtcNow()) * 0.8;
            var wait = remaining < LeastRenewal ? LeastRenewal : remaining > MostRenewal ? MostRenewal : remaining;
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var due = Task.Delay(wait, options.Time, over.Token);
            if (await Task.WhenAny(due, link.Ended) != due || due.IsCanceled)
            {
                await over.CancelAsync();
                return;
            }

            if (wait == MostRenewal)
            {
                continue;
            }

            try
            {
                await link.InvokeAsync("Authenticate", [await tokens.GetAsync(TokenReason.Expiring, cancellationToken)], cancellationToken);
            }
            catch (Exception)
            {
                // Tried again in the next round. When the token runs out first, the server closes and a new connection fetches one.
            }
        }
    }

    /// <summary>Under the lock, so that states are told in their order.</summary>
    void Report(ConnectionInfo info)
    {
        Info = info;
        client.OnState(info);
    }

    static TaskCompletionSource<HubLink> NewCompletion() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="Lived">How long it was connected; null where it never was.</param>
    sealed record LinkEnd(RealtimeClientException Error, Closing? Closing, TimeSpan? Lived);
}
