using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Sse;

/// <summary>
/// An EventSource. Every event ends with an <c>id</c>, the cursor of all its channels after that event, so that a connection that is
/// cut anywhere resumes at the right place.
/// </summary>
/// <param name="isLast">Whether the stream ends with an event; null where none ends it.</param>
sealed class SseConnection(
    string id, HttpContext http, Permissions permissions, GatewayOptions options, ILogger logger, SseFormat format, Func<ServerEvent, bool>? isLast = null)
    : ClientConnection(id, "sse", permissions, options, logger)
{
    readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the stream is of, in the order of its cursor.</summary>
    Part[] _parts = [];

    /// <summary>Completes when the stream is to end.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Ticks of <see cref="Environment.TickCount64"/> at the last write.</summary>
    public long LastWrite { get; private set; } = Environment.TickCount64;

    internal override bool IsTwoWay => false;

    protected override WireFormat Format => format;

    PipeWriter Output => http.Response.BodyWriter;

    /// <summary>
    /// Nothing is written before this: the first id must name a position in every channel, or a stream that is cut right then would
    /// lose what it had not named.
    /// </summary>
    /// <param name="channels">The channels, and where those begin that have not been subscribed to yet.</param>
    public void Begin(IEnumerable<(ChannelId Channel, Cursor? Initial)> channels)
    {
        _parts = [.. channels.Select(c => new Part { Channel = c.Channel, Initial = c.Initial })];
        _begun.SetResult();
    }

    protected override async ValueTask WriteAsync(ReadOnlyMemory<Outbound> events)
    {
        if (!_begun.Task.IsCompleted)
        {
            await _begun.Task;
        }

        LastWrite = Environment.TickCount64;
        bool isOver = false;
        for (int i = 0; i < events.Length && !isOver; i++)
        {
            Write(events.Span[i]);
            isOver = isLast?.Invoke(events.Span[i].Event!.Event) ?? false;
        }

        await Output.FlushAsync(http.RequestAborted);
        if (isOver)
        {
            _closed.TrySetResult();
        }
    }

    protected override ValueTask CloseAsync(CloseReason reason)
    {
        _closed.TrySetResult();
        return ValueTask.CompletedTask;
    }

    protected override void Abort()
    {
        _closed.TrySetResult();
        http.Abort();
    }

    void Write(in Outbound outbound)
    {
        if (outbound.Event!.Event is SseHeartbeat)
        {
            Output.Write(outbound.Bytes);
            return;
        }

        if (outbound is { Bytes.Length: 0, Event.Event: not SsePosition })
        {
            return;
        }

        Advance(outbound);
        Output.Write(outbound.Bytes);
        WriteId(Output);
    }

    /// <summary>The line <c>id: epoch:offset,epoch:offset,…</c> and the blank line that dispatches the event.</summary>
    void WriteId(PipeWriter output)
    {
        Span<byte> line = output.GetSpan(8 + (_parts.Length * (Epoch.Length + 22)));
        "id: "u8.CopyTo(line);
        int at = 4;
        foreach (var part in _parts)
        {
            part.Subscription ??= Find(part.Channel);
            if ((part.Subscription is { Sent: { Epoch: not null } sent } ? sent : part.Initial) is not { } position)
            {
                continue;
            }

            if (at > 4)
            {
                line[at++] = (byte)',';
            }

            at += Encoding.ASCII.GetBytes(position.Epoch, line[at..]);
            line[at++] = (byte)':';
            Utf8Formatter.TryFormat(position.Offset, line[at..], out int digits);
            at += digits;
        }

        line[at++] = (byte)'\n';
        line[at++] = (byte)'\n';
        output.Advance(at);
    }

    sealed class Part
    {
        public required ChannelId Channel { get; init; }

        public Cursor? Initial { get; init; }

        public Subscription? Subscription { get; set; }
    }
}
