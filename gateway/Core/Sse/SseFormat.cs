using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.Sse;

/// <summary>A comment, so that nobody on the way takes the stream for dead.</summary>
sealed record SseHeartbeat : ServerEvent;

/// <summary>An id and nothing else: it moves the client's <c>Last-Event-ID</c> and dispatches no event.</summary>
sealed record SsePosition : ServerEvent;

/// <summary>
/// Events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), without the <c>id</c> line and the
/// blank line that ends them: the id is the connection's own.
/// </summary>
class SseFormat : WireFormat
{
    public static readonly SseFormat Instance = new();

    protected SseFormat()
    {
    }

    protected internal override byte[] Encode(ServerEvent serverEvent)
    {
        if (serverEvent is SseHeartbeat)
        {
            return ":\n\n"u8.ToArray();
        }

        if (serverEvent is SsePosition || !IsTold(serverEvent))
        {
            return [];
        }

        JsonBuffer.Begin();
        if (NameOf(serverEvent) is { } name)
        {
            JsonBuffer.Append("event: "u8);
            JsonBuffer.Append(name);
            JsonBuffer.Append("\n"u8);
        }

        JsonBuffer.Append("data: "u8);
        int start = JsonBuffer.Written.Length;
        AppendData(serverEvent);

        // A message's own JSON may have line breaks between its tokens; each line of data needs its field name.
        if (JsonBuffer.Written[start..].IndexOfAny((byte)'\n', (byte)'\r') >= 0)
        {
            return SplitLines(JsonBuffer.Written, start);
        }

        JsonBuffer.Append("\n"u8);
        return JsonBuffer.Written.ToArray();
    }

    /// <summary>Whether the client gets the event at all.</summary>
    protected virtual bool IsTold(ServerEvent serverEvent) => true;

    protected virtual void AppendData(ServerEvent serverEvent)
    {
        if (serverEvent is Emitted { Data: var data })
        {
            JsonBuffer.Append(data);
        }
        else
        {
            JsonBuffer.Append(serverEvent);
        }
    }

    /// <summary>Null for the event that an EventSource calls <c>message</c>.</summary>
    protected virtual string? NameOf(ServerEvent serverEvent) => serverEvent switch
    {
        MessageReceived { Channel.Kind: ChannelKind.Room, Message.Event: var name } => name,
        Emitted { Event: var name } => name,
        _ => EventJson.TargetOf(serverEvent),
    };

    static byte[] SplitLines(ReadOnlySpan<byte> bytes, int start)
    {
        var lines = new List<byte>(bytes.Length + 64);
        lines.AddRange(bytes[..start]);
        for (int i = start; i < bytes.Length; i++)
        {
            if (bytes[i] is not ((byte)'\n' or (byte)'\r'))
            {
                lines.Add(bytes[i]);
                continue;
            }

            lines.AddRange("\ndata: "u8);
            if (bytes[i] == '\r' && i + 1 < bytes.Length && bytes[i + 1] == '\n')
            {
                i++;
            }
        }

        lines.Add((byte)'\n');
        return [.. lines];
    }
}
