using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Gateway.PubSub;

/// <summary>What subscriptions need of the gateway.</summary>
sealed record TopicServices(LocalChannels Channels, GatewayHealth Health, Permissions Permissions, GatewayOptions Options, TimeProvider Time, ILogger Logger);

/// <summary>
/// One handler and its place in the log of its channel. It is subscribed by a <see cref="TopicConnection"/>; where that is closed, because the handler is slow or the log
/// could not be read, another one takes its place and begins where the handler is.
/// </summary>
sealed partial class TopicSubscription : ITopicSubscription
{
    /// <summary>How long one attempt to subscribe may take to begin. After it another one is made.</summary>
    static readonly TimeSpan s_attemptTime = TimeSpan.FromSeconds(15);

    /// <summary>Between attempts: doubled from the first to the last.</summary>
    static readonly TimeSpan s_firstDelay = TimeSpan.FromMilliseconds(100), s_lastDelay = TimeSpan.FromSeconds(5);

    /// <summary>The subscription whose handler is running.</summary>
    static readonly AsyncLocal<TopicSubscription?> s_current = new();

    readonly Func<TopicMessage, CancellationToken, Task> _handler;
    readonly Action<TopicSubscription> _ended;
    readonly TopicServices _services;
    readonly ChannelId _channel;
    readonly CancellationTokenSource _ending = new();
    readonly CancellationToken _stopping;
    readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource _attempted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>By message id: who waits until the handler has run.</summary>
    readonly ConcurrentDictionary<string, TaskCompletionSource<HandlerOutcome>> _expected = new();

    /// <summary>Held by whoever handles events, or replaces the connection. Guards the two below.</summary>
    readonly SemaphoreSlim _turn = new(1);
    TopicConnection? _connection;
    Cursor? _position;

    public TopicSubscription(TopicPattern pattern, Func<TopicMessage, CancellationToken, Task> handler, TopicServices services, Action<TopicSubscription> ended)
    {
        Pattern = pattern;
        _handler = handler;
        _services = services;
        _ended = ended;
        _stopping = _ending.Token;
        _channel = ChannelId.Room(RoomName.TryParse(pattern.Room, out var room, out string? error) ? room : throw new ArgumentException(error, nameof(pattern)));
        _ = Task.Run(RunAsync);
    }

    public static TopicSubscription? Current => s_current.Value;

    public TopicPattern Pattern { get; }

    public Task Ready => _ready.Task;

    /// <summary>Completes when the first attempt to subscribe has gone well or failed, whichever.</summary>
    public Task Attempted => _attempted.Task;

    public void Dispose()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        _ended(this);
        _ = _ending.CancelAsync();
        _ready.TrySetCanceled();
        _attempted.TrySetResult();
        foreach (string messageId in _expected.Keys)
        {
            Complete(messageId, default);
        }
    }

    /// <summary>Completes when the handler has run for the message with this id, or will not run.</summary>
    public Task<HandlerOutcome> Expect(string messageId)
    {
        var outcome = _expected.GetOrAdd(messageId, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
        if (_stopping.IsCancellationRequested)
        {
            Complete(messageId, default);
        }

        return outcome.Task;
    }

    public void Unexpect(string messageId) => _expected.TryRemove(messageId, out _);

    /// <summary>
    /// What a connection has for the handler. Never throws. Messages that are not for the handler pass at once, on the caller's thread; the handler runs on another.
    /// </summary>
    public ValueTask HandleAsync(TopicConnection connection, ReadOnlyMemory<Outbound> events)
    {
        if (!_turn.Wait(0))
        {
            return new(HandleInTurnAsync(connection, events));
        }

        int passed = 0;
        while (passed < events.Length && !Concerns(events.Span[passed]))
        {
            Follow(connection, events.Span[passed++]);
        }

        _turn.Release();
        return passed == events.Length ? default : new(HandleInTurnAsync(connection, events[passed..]));
    }

    async Task HandleInTurnAsync(TopicConnection connection, ReadOnlyMemory<Outbound> events)
    {
        await _turn.WaitAsync();
        try
        {
            await Task.Yield();
            for (int i = 0; i < events.Length && connection == _connection; i++)
            {
                if (events.Span[i].Event?.Event is MessageReceived received && Concerns(events.Span[i]))
                {
                    await RunHandlerAsync(received);
                }

                Follow(connection, events.Span[i]);
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    bool Concerns(in Outbound outbound) => outbound.Event?.Event is MessageReceived { Message.Event: var topic } && Pattern.Matches(topic) && !_stopping.IsCancellationRequested;

    /// <summary>The handler is past this event.</summary>
    void Follow(TopicConnection connection, in Outbound outbound)
    {
        if (connection != _connection)
        {
            return;
        }

        switch (outbound.Event?.Event)
        {
            case MessageReceived { Epoch: var epoch } when outbound.Event.Offset is > 0 and var offset:
                _position = new(epoch, offset);
                break;
            case GapDetected gap:
                _position = gap.Position;
                Missed(gap.Reason);
                break;
        }
    }

    async Task RunHandlerAsync(MessageReceived received)
    {
        var message = received.Message;
        Exception? error = null;
        s_current.Value = this;
        try
        {
            await _handler(
                new(message.Event, message.Data, message.From, received.Epoch, message.Delivery == Delivery.Transient ? 0 : message.Offset,
                    DateTimeOffset.FromUnixTimeMilliseconds(message.Time), message.MessageId),
                _stopping);
        }
        catch (Exception exception)
        {
            error = exception;
            if (!_stopping.IsCancellationRequested)
            {
                TopicLog.HandlerFailed(_services.Logger, Pattern, message.Event, exception);
            }
        }

        s_current.Value = null;
        if (message.MessageId is { } messageId)
        {
            Complete(messageId, new(true, error));
        }
    }

    void Complete(string messageId, HandlerOutcome outcome)
    {
        if (_expected.TryRemove(messageId, out var expected))
        {
            expected.TrySetResult(outcome);
        }
    }

    /// <summary>Messages are gone for good, and with them perhaps some that are waited for.</summary>
    void Missed(string reason)
    {
        TopicLog.Missed(_services.Logger, Pattern, reason);
        foreach (string messageId in _expected.Keys)
        {
            Complete(messageId, default);
        }
    }

    async Task RunAsync()
    {
        var delay = s_firstDelay;
        bool failing = false;
        while (!_stopping.IsCancellationRequested)
        {
            var connection = new TopicConnection(this, _services.Permissions, _services.Options, _services.Logger);
            try
            {
                await _services.Health.Started.WaitAsync(_stopping);
                await FollowAsync(connection);
                (delay, failing) = (s_firstDelay, false);
                await connection.Closed.WaitAsync(_stopping);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                // Disposed.
            }
            catch (Exception exception)
            {
                if (!failing)
                {
                    failing = true;
                    TopicLog.NotSubscribed(_services.Logger, Pattern, exception);
                }

                _attempted.TrySetResult();
                await Task.Delay(delay, _services.Time, _stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                delay = delay * 2 < s_lastDelay ? delay * 2 : s_lastDelay;
            }
            finally
            {
                LocalChannels.End(connection);
            }
        }
    }

    /// <summary>Begins delivery where the handler is; the first time, from now on.</summary>
    async Task FollowAsync(TopicConnection connection)
    {
        Cursor? cursor;
        await _turn.WaitAsync(_stopping);
        try
        {
            (_connection, cursor) = (connection, _position);
        }
        finally
        {
            _turn.Release();
        }

        // The log is read no faster than the handler takes it, so only the beginning has a time limit.
        var following = _services.Channels.SubscribeAsync(connection, _channel, cursor, _stopping);
        var result = cursor is null ? await following.WaitAsync(s_attemptTime, _services.Time, _stopping) : await following;
        if (result is not { } begun)
        {
            return;
        }

        if (!begun.Recovered)
        {
            Missed("not_recovered");
        }

        await _turn.WaitAsync(_stopping);
        _position ??= begun.Position;
        _turn.Release();
        _ready.TrySetResult();
        _attempted.TrySetResult();
    }
}

/// <param name="Ran">False where the handler was not run: it has ended before, or the message is gone.</param>
readonly record struct HandlerOutcome(bool Ran, Exception? Error);

static partial class TopicLog
{
    [LoggerMessage(1, LogLevel.Error, "A handler of '{Pattern}' failed for '{Topic}'.")]
    public static partial void HandlerFailed(ILogger logger, TopicPattern pattern, string topic, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "The subscription to '{Pattern}' could not begin, or go on; it is tried again. Said once until it does.")]
    public static partial void NotSubscribed(ILogger logger, TopicPattern pattern, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "The subscription to '{Pattern}' has missed messages that the log does not have any more ({Reason}).")]
    public static partial void Missed(ILogger logger, TopicPattern pattern, string reason);

    [LoggerMessage(4, LogLevel.Warning, "A publication to '{Topic}' is lost. Said once until one is kept again.")]
    public static partial void NotPublished(ILogger logger, string topic, Exception exception);
}
