using System.Globalization;
using System.Text.Json;
using OrleansRealtime.Client.Connections;
using OrleansRealtime.Client.Storage;

namespace OrleansRealtime.Client.Sending;

enum TargetKind
{
    Room,
    User,

    /// <summary>A room that one need not be in: it is published to by REST.</summary>
    Topic,
}

/// <summary>Where a message goes.</summary>
readonly record struct OutboxTarget(TargetKind Kind, string Name);

/// <summary>How the client transmits what is in its outbox.</summary>
interface ITransmitter
{
    /// <summary>The link there is.</summary>
    HubLink? Link { get; }

    /// <summary>Waits for one, even where the client has given up: the application may begin anew.</summary>
    Task<HubLink> WhenLinkedAsync(CancellationToken cancellationToken);

    /// <summary>Whether the message would have come back from its room by now, if the server had it.</summary>
    bool WouldHaveSeen(SentMessage message);

    /// <summary>Sends one message, encrypted where it is to be.</summary>
    /// <param name="leaving">Called when the server may have it from now on.</param>
    Task<Acknowledgement> TransmitAsync(HubLink link, SentMessage message, Action leaving, CancellationToken cancellationToken);

    /// <summary>A handler of the application's has thrown.</summary>
    void OnHandlerFailed(Exception exception);
}

/// <summary>
/// Messages that the server has not acknowledged. Each target has a lane in which one message is on its way at a time, so that they keep their
/// order whatever fails; lanes do not wait for each other. A message whose acknowledgement was lost is sent again under its id, which the server
/// remembers; it counts as kept, too, when it comes back as a message of its room.
/// </summary>
sealed class Outbox(RealtimeClientOptions options, ITransmitter transmitter) : IDisposable
{
    /// <summary>How long a message may be without an answer before it is sent again.</summary>
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    readonly Lock _lock = new();
    readonly Dictionary<OutboxTarget, LinkedList<SentMessage>> _lanes = [];
    readonly CancellationTokenSource _ending = new();
    IClientStore? _store;
    string _prefix = "";
    long _lastStored;
    int _count;

    /// <summary>Told after each change of <see cref="Count"/>.</summary>
    public event Action? Changed;

    /// <summary>Messages that wait or are on their way.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>In the order of sending for each target.</summary>
    public IReadOnlyList<SentMessage> Messages
    {
        get
        {
            lock (_lock)
            {
                return [.. _lanes.Values.SelectMany(lane => lane)];
            }
        }
    }

    /// <summary>
    /// Takes up what an earlier run of the application has not sent, ahead of what this one has, and keeps from now on what is added.
    /// Before anything is sent.
    /// </summary>
    /// <param name="prefix">Of the names in the store.</param>
    public void Restore(IClientStore store, string prefix)
    {
        lock (_lock)
        {
            if (_store is not null)
            {
                return;
            }

            _store = store;
            _prefix = prefix;
            var waiting = _lanes.Values.SelectMany(lane => lane).ToList();
            var restored = store.Load(prefix).Select(entry => StoredMessage.Read(this, entry.Key, entry.Value)).ToList();
            _lastStored = restored.Count == 0 ? 0 : long.Parse(restored[^1].StoredAs![prefix.Length..], CultureInfo.InvariantCulture);
            foreach (var message in restored.AsEnumerable().Reverse())
            {
                LaneLocked(message.Target).AddFirst(message);
            }

            _count += restored.Count;
            waiting.ForEach(KeepLocked);
        }

        TellChanged();
    }

    /// <exception cref="RealtimeClientException"><c>outbox_full</c>; or <c>connection_lost</c> for a transient message, which does not wait.</exception>
    public SentMessage Add(OutboxTarget target, object? data, SendOptions sending)
    {
        var message = new SentMessage(
            this, target, JsonSerializer.SerializeToElement(data, options.Json), sending, sending.MessageId ?? Guid.CreateVersion7().ToString("N"));
        Enqueue(message);
        return message;
    }

    public void Retry(SentMessage message)
    {
        lock (_lock)
        {
            if (message.State != SentState.Failed)
            {
                return;
            }

            // The application knows best: if the message was kept after all, it will be there twice.
            message.FirstSentAt = null;
            message.IsUncertain = false;
            message.Becomes(SentState.Queued);
        }

        Enqueue(message);
        Tell(message);
    }

    public bool Discard(SentMessage message)
    {
        lock (_lock)
        {
            if (message.State != SentState.Queued)
            {
                return false;
            }
        }

        return Finish(message, SentState.Failed, new(RealtimeClientErrors.Discarded, "The message was taken back."));
    }

    /// <summary>A message of this user has come back from where it was sent to: an acknowledgement that was lost is not needed any more.</summary>
    public void Confirm(OutboxTarget target, RealtimeMessage message)
    {
        if (Count == 0 || message.MessageId is null || message.Place is not { } place)
        {
            return;
        }

        SentMessage? sent;
        lock (_lock)
        {
            sent = _lanes.GetValueOrDefault(target)?.First?.Value;
        }

        if (sent is { IsUncertain: true } && sent.MessageId == message.MessageId)
        {
            Finish(sent, SentState.Kept, acknowledgement: new(place.Epoch, place.Offset, place.ToString(), message.Time, sent.MessageId, Duplicate: false));
        }
    }

    /// <summary>What has not been acknowledged stays in the store, for the next start.</summary>
    public void Dispose()
    {
        _ending.Cancel();
        IReadOnlyList<SentMessage> left;
        lock (_lock)
        {
            left = Messages;
            _store = null;
        }

        foreach (var message in left)
        {
            Finish(message, SentState.Failed, new(RealtimeClientErrors.Closed, "The client was closed before the message was acknowledged."));
        }

        _ending.Dispose();
    }

    void Enqueue(SentMessage message)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_ending.IsCancellationRequested, typeof(RealtimeClient));
            if (message.IsTransient && transmitter.Link is null)
            {
                throw new RealtimeClientException(RealtimeClientErrors.ConnectionLost, "There is no connection, and a transient message does not wait for one.");
            }

            if (_count >= options.OutboxLimit)
            {
                throw new RealtimeClientException(
                    RealtimeClientErrors.OutboxFull, $"{options.OutboxLimit} messages wait to be sent; no more are taken. Send again when some have been.");
            }

            LaneLocked(message.Target).AddLast(message);
            _count++;
            KeepLocked(message);
        }

        TellChanged();
    }

    /// <summary>A lane's pump begins with the lane, and ends when it is empty.</summary>
    LinkedList<SentMessage> LaneLocked(OutboxTarget target)
    {
        if (!_lanes.TryGetValue(target, out var lane))
        {
            _lanes[target] = lane = [];
            _ = Task.Run(() => PumpAsync(target, lane));
        }

        return lane;
    }

    async Task PumpAsync(OutboxTarget target, LinkedList<SentMessage> lane)
    {
        var cancellationToken = _ending.Token;
        var backoff = new Backoff(options.Backoff with { Attempts = int.MaxValue }, Random.Shared.NextDouble);
        try
        {
            while (TryPeek(target, lane) is { } message)
            {
                var link = await transmitter.WhenLinkedAsync(cancellationToken);
                if (await TrySendAsync(link, message, cancellationToken))
                {
                    backoff.Reset();
                }
                else
                {
                    await Task.Delay(backoff.Next()!.Value, options.Time, cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The client is closed.
        }
    }

    SentMessage? TryPeek(OutboxTarget target, LinkedList<SentMessage> lane)
    {
        lock (_lock)
        {
            if (lane.First is null)
            {
                _lanes.Remove(target);
            }

            return lane.First?.Value;
        }
    }

    /// <summary>False where it is to be tried again after a while. A lost connection is waited for.</summary>
    async Task<bool> TrySendAsync(HubLink link, SentMessage message, CancellationToken cancellationToken)
    {
        if (message.FirstSentAt < options.Time.GetUtcNow() - options.DeduplicationWindow && !transmitter.WouldHaveSeen(message))
        {
            Finish(message, SentState.Failed, new(
                RealtimeClientErrors.Unconfirmed, "The connection was lost while the message was sent, and for too long since to be sure that it would not be kept twice."));
            return true;
        }

        if (!TryBegin(message))
        {
            return true;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = options.Time.CreateTimer(_ => limit.Cancel(), null, AnswerLimit, Timeout.InfiniteTimeSpan);
        try
        {
            var acknowledgement = await transmitter.TransmitAsync(link, message, () => Leaves(message), limit.Token);
            Finish(message, SentState.Kept, acknowledgement: acknowledgement);
            return true;
        }
        catch (RealtimeClientException exception) when (exception.IsPermanent || message.IsTransient)
        {
            Finish(message, SentState.Failed, exception);
            return true;
        }
        catch (RealtimeClientException exception)
        {
            Requeue(message);
            return exception.Code == RealtimeClientErrors.ConnectionLost && link.Ended.IsCompleted;
        }
        catch (OperationCanceledException)
        {
            Requeue(message);
            return false;
        }
        catch (Exception exception)
        {
            Finish(message, SentState.Failed, new(RealtimeClientErrors.Defect, $"The message could not be sent: {exception.Message}", exception));
            return true;
        }
    }

    /// <summary>False where the message has ended meanwhile.</summary>
    bool TryBegin(SentMessage message)
    {
        lock (_lock)
        {
            if (message.State != SentState.Queued)
            {
                return false;
            }

            message.Becomes(SentState.Sending);
        }

        Tell(message);
        return true;
    }

    void Leaves(SentMessage message)
    {
        lock (_lock)
        {
            if (message.FirstSentAt is null)
            {
                message.FirstSentAt = options.Time.GetUtcNow();
                KeepLocked(message);
            }
        }
    }

    void Requeue(SentMessage message)
    {
        lock (_lock)
        {
            if (message.State != SentState.Sending)
            {
                return;
            }

            message.IsUncertain = message.FirstSentAt is not null;
            message.Becomes(SentState.Queued);
        }

        Tell(message);
    }

    /// <summary>False where it had ended before.</summary>
    bool Finish(SentMessage message, SentState state, RealtimeClientException? error = null, Acknowledgement? acknowledgement = null)
    {
        lock (_lock)
        {
            if (_lanes.GetValueOrDefault(message.Target)?.Remove(message) is not true)
            {
                return false;
            }

            _count--;
            if (message.StoredAs is { } name)
            {
                _store?.Keep(name, null);
                message.StoredAs = null;
            }

            message.Becomes(state, error, acknowledgement);
        }

        Tell(message);
        TellChanged();
        return true;
    }

    void KeepLocked(SentMessage message)
    {
        if (_store is not null && !message.IsTransient)
        {
            message.StoredAs ??= string.Create(CultureInfo.InvariantCulture, $"{_prefix}{++_lastStored:D15}");
            _store.Keep(message.StoredAs, StoredMessage.Write(message));
        }
    }

    void Tell(SentMessage message)
    {
        try
        {
            message.Tell();
        }
        catch (Exception exception)
        {
            transmitter.OnHandlerFailed(exception);
        }
    }

    void TellChanged()
    {
        try
        {
            Changed?.Invoke();
        }
        catch (Exception exception)
        {
            transmitter.OnHandlerFailed(exception);
        }
    }
}
