using System.Text.Json;
using OrleansRealtime.Client.Sending;

namespace OrleansRealtime.Client;

public enum SentState
{
    /// <summary>Waits for the connection, or for messages before it.</summary>
    Queued,

    /// <summary>On its way; the server has not acknowledged it.</summary>
    Sending,

    /// <summary>The server has it in its log.</summary>
    Kept,

    /// <summary>Refused for good. Those behind it go on.</summary>
    Failed,
}

/// <summary>A message that was given to the outbox: it is sent until the server has acknowledged it, in the order of sending for each room and user.</summary>
public sealed class SentMessage
{
    readonly Outbox _outbox;
    TaskCompletionSource<Acknowledgement> _kept = NewCompletion();

    internal SentMessage(Outbox outbox, OutboxTarget target, JsonElement data, SendOptions options, string messageId)
    {
        _outbox = outbox;
        Target = target;
        Data = data;
        Event = options.Event;
        Delivery = options.Delivery;
        Key = options.Key;
        MessageId = messageId;
    }

    public string MessageId { get; }

    public string Event { get; }

    /// <summary>As it was given, not encrypted.</summary>
    public JsonElement Data { get; }

    public SentState State { get; private set; }

    /// <summary>Why it has failed.</summary>
    public RealtimeClientException? Error { get; private set; }

    /// <summary>Completes when the message is kept; fails when it has failed.</summary>
    public Task<Acknowledgement> Kept => _kept.Task;

    /// <summary>Called on whichever thread has changed the state.</summary>
    public event Action<SentMessage>? StateChanged;

    internal OutboxTarget Target { get; }

    internal string? Delivery { get; }

    internal string? Key { get; }

    internal bool IsTransient => Delivery == "transient";

    /// <summary>When it was first given to a connection: from then on the server may have it.</summary>
    internal DateTimeOffset? FirstSentAt { get; set; }

    /// <summary>It was given to a connection that was lost before the acknowledgement came.</summary>
    internal bool IsUncertain { get; set; }

    /// <summary>Its name in the store.</summary>
    internal string? StoredAs { get; set; }

    /// <summary>Sends a message that has failed again, under the same id, behind those that wait now.</summary>
    /// <exception cref="RealtimeClientException"><c>outbox_full</c>.</exception>
    public void Retry() => _outbox.Retry(this);

    /// <summary>Takes a message back that is not on its way: it fails with <c>discarded</c>. False where it is, or has ended.</summary>
    public bool Discard() => _outbox.Discard(this);

    /// <summary>Under the outbox's lock.</summary>
    internal void Becomes(SentState state, RealtimeClientException? error = null, Acknowledgement? acknowledgement = null)
    {
        if (State == SentState.Failed)
        {
            _kept = NewCompletion();
        }

        State = state;
        Error = error;
        if (acknowledgement is not null)
        {
            _kept.TrySetResult(acknowledgement);
        }
        else if (error is not null)
        {
            _kept.TrySetException(error);

            // Whoever looks at the state need not look at the task.
            _ = _kept.Task.Exception;
        }
    }

    /// <summary>Outside of the lock.</summary>
    internal void Tell() => StateChanged?.Invoke(this);

    static TaskCompletionSource<Acknowledgement> NewCompletion() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
