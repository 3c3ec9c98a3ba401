using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Sse;
using OrleansRealtime.Gateway.Wire;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Gateway.Jobs;

/// <summary>
/// A job's events for an EventSource that knows nothing else: a status is the unnamed event, the final event has its name, the data is the handler's
/// alone, and who else watches is not told.
/// </summary>
sealed class JobStreamFormat : SseFormat
{
    public static new readonly JobStreamFormat Instance = new();

    /// <summary>Whether the stream ends with the event.</summary>
    public static bool IsLast(ServerEvent serverEvent) => serverEvent is MessageReceived { Message.Event: var name } && JobEvents.IsFinal(name);

    protected override bool IsTold(ServerEvent serverEvent) => serverEvent is not PresenceReceived;

    protected override string? NameOf(ServerEvent serverEvent) =>
        serverEvent is MessageReceived { Message.Event: JobEvents.Status } ? null : base.NameOf(serverEvent);

    protected override void AppendData(ServerEvent serverEvent)
    {
        if (serverEvent is MessageReceived { Message.Data: { Kind: PayloadKind.Json, Bytes: var json } })
        {
            JsonBuffer.Append(json);
        }
        else
        {
            base.AppendData(serverEvent);
        }
    }
}
