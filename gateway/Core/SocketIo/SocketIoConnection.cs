using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.EngineIo;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>
/// One namespace of a Socket.IO client. Of an event for many connections everything is shared but its end, which is the connection's own
/// offset: the rooms that it is in, and its place in each of its channels after that event.
/// </summary>
sealed class SocketIoConnection : ClientConnection, IEngineContent
{
    /// <summary>Handlers of the application that run for one connection at a time; then the next event waits for one of them.</summary>
    const int HandlersAtOnce = 64;

    readonly SocketIoClient _client;
    readonly EngineSession _engine;
    readonly SocketIoOptions _options;
    readonly byte[] _namespace;

    // What is queued is written by one writer at a time; all of this is the writer's.
    readonly SocketIoOffset _offset = new();
    ReadOnlyMemory<Outbound> _events;

    // Events of the client that wait for an earlier one. Guarded by the queue.
    readonly Queue<(string Name, EventData Data, long? Id)> _backlog = new(0);
    TaskCompletionSource? _backlogTaken;
    bool _handling = true;
    int _handlers;
    bool _resuming;

    public SocketIoConnection(
        string id, string ns, SocketIoClient client, Permissions permissions, SocketIoOptions socketIo, GatewayOptions options, ILogger logger)
        : base(id, "socketio", permissions, options, logger)
    {
        Namespace = ns;
        _client = client;
        _engine = client.Engine;
        _options = socketIo;
        _namespace = ns == RoomName.DefaultNamespace ? [] : Encoding.UTF8.GetBytes(ns + ",");
    }

    public string Namespace { get; }

    protected override WireFormat Format => SocketIoFormat.Instance;

    protected override TimeSpan AnswerTimeout => _options.AckTimeout;

    // ---- What it gets ---------------------------------------------------------------------------------------------

    /// <summary>Where a connection that comes back has been. Before anything is written.</summary>
    public void StartAt(IEnumerable<(ChannelId Channel, Cursor Position)> places)
    {
        _resuming = true;
        foreach (var (channel, position) in places)
        {
            _offset.Move(channel, position);
        }
    }

    /// <summary>It has been given back all that it had.</summary>
    public void Resumed() => _resuming = false;

    /// <summary>The client has been answered, and its events may be handled.</summary>
    public void Settle() => TakeBacklog();

    /// <summary>The client has come back by another link.</summary>
    public void Supersede() => Abort();

    /// <summary>Queues a packet of text.</summary>
    public void SendPacket(ReadOnlySpan<byte> type, ReadOnlySpan<byte> json, long? id = null, IReadOnlyList<ReadOnlyMemory<byte>>? attachments = null)
    {
        var text = new ArrayBufferWriter<byte>(json.Length + _namespace.Length + 32);
        text.Write(type);
        text.Write(_namespace);
        if (id is { } number)
        {
            Utf8Formatter.TryFormat(number, text.GetSpan(20), out int digits);
            text.Advance(digits);
        }

        text.Write(json);
        var parts = new ArrayBufferWriter<byte>(text.WrittenCount + 8);
        SocketIoFormat.Write(parts, text.WrittenSpan, attachments ?? [], SocketIoPart.Packet);
        SendFrame(parts.WrittenSpan.ToArray());
    }

    /// <summary>Answers an event that wanted to be acknowledged.</summary>
    public void Acknowledge(long id, EventData data)
    {
        if (data.Attachments.Count == 0)
        {
            SendPacket("43"u8, data.Json.Span, id);
        }
        else
        {
            SendPacket(Encoding.ASCII.GetBytes($"46{data.Attachments.Count}-"), data.Json.Span, id, data.Attachments);
        }
    }

    /// <summary>Queues an event with one object.</summary>
    public void SendEvent(string name, Action<Utf8JsonWriter> write)
    {
        var parts = new ArrayBufferWriter<byte>(256);
        SocketIoFormat.WriteSimple(parts, name, write);
        SendFrame(parts.WrittenSpan.ToArray());
    }

    internal override void OnFollowed(ChannelId channel, SubscribeResult result)
    {
        Send(new(new ChannelPositioned(channel, result.Position)));
        if (channel.Kind == ChannelKind.Room && !_resuming)
        {
            SendRoomEvent("room:joined", channel, result.Recovered);
        }
    }

    internal override void OnUnfollowed(ChannelId channel)
    {
        Send(new(new ChannelPositioned(channel, null)));
        if (channel.Kind == ChannelKind.Room && !_resuming)
        {
            SendRoomEvent("room:left", channel, null);
        }
    }

    protected override void Ask(long id, string name, EventData data)
    {
        var parts = new ArrayBufferWriter<byte>(256);
        SocketIoFormat.WriteEvent(parts, name, data, id);
        SendFrame(parts.WrittenSpan.ToArray());
    }

    /// <summary>The event <c>request</c> with <c>{from, event, data}</c>.</summary>
    protected override void AskUser(long id, string name, EventData data, string? from)
    {
        var json = JsonBuffer.BeginValue();
        json.WriteStartArray();
        json.WriteStartObject();
        if (from is not null)
        {
            json.WriteString("from"u8, from);
        }

        json.WriteString("event"u8, name);
        if (data.Count > 0)
        {
            json.WritePropertyName("data"u8);
            json.WriteRawValue(data[0].Span, skipInputValidation: true);
        }

        json.WriteEndObject();
        json.WriteEndArray();
        json.Flush();
        Ask(id, "request", new(JsonBuffer.Written.ToArray(), data.Attachments));
    }

    protected override ValueTask WriteAsync(ReadOnlyMemory<Outbound> events)
    {
        _events = events;
        return _engine.WriteAsync(this);
    }

    protected override async ValueTask CloseAsync(CloseReason reason)
    {
        if (reason.Reconnect)
        {
            // The client comes back by itself when the link is lost, and only then.
            await _engine.CloseAsync();
            return;
        }

        byte[] disconnect = [.. "41"u8, .. _namespace];
        await _engine.WriteAsync(new SocketIoText(disconnect));
        _client.Drop(this);
    }

    protected override void Abort() => _engine.Abort();

    void IEngineContent.WriteTo(EngineOutput output)
    {
        foreach (ref readonly var outbound in _events.Span)
        {
            Follow(outbound);
            Write(outbound.Bytes, output);
        }
    }

    void Write(ReadOnlySpan<byte> parts, EngineOutput output)
    {
        while (SocketIoPart.TryTake(ref parts, out byte kind, out int attachments, out var bytes))
        {
            if (kind == SocketIoPart.NotFor)
            {
                if (Encoding.UTF8.GetString(bytes) == UserId)
                {
                    SkipPacket(ref parts);
                }

                continue;
            }

            WriteText(kind, attachments, bytes, output);
            for (; attachments > 0 && SocketIoPart.TryTake(ref parts, out _, out _, out bytes); attachments--)
            {
                output.Binary(bytes);
            }
        }
    }

    void WriteText(byte kind, int attachments, ReadOnlySpan<byte> bytes, EngineOutput output)
    {
        if (kind == SocketIoPart.Packet)
        {
            output.Text(bytes);
            return;
        }

        Span<byte> head = stackalloc byte[3 + 3 + 1 + _namespace.Length + 20];
        int length = WriteHead(head, attachments);
        if (kind == SocketIoPart.Question)
        {
            Utf8Formatter.TryFormat(BinaryPrimitives.ReadInt64LittleEndian(bytes), head[length..], out int digits);
            output.Text(head[..(length + digits)], bytes[sizeof(long)..], "]"u8);
            return;
        }

        output.Text(head[..length], bytes, _options.Recovery ? _offset.Text : "]"u8);
    }

    /// <summary><c>42</c> and the namespace; with attachments <c>45n-</c>.</summary>
    int WriteHead(Span<byte> head, int attachments)
    {
        head[0] = (byte)'4';
        int length = 2;
        if (attachments == 0)
        {
            head[1] = (byte)'2';
        }
        else
        {
            head[1] = (byte)'5';
            Utf8Formatter.TryFormat(attachments, head[2..], out int digits);
            length += digits;
            head[length++] = (byte)'-';
        }

        _namespace.CopyTo(head[length..]);
        return length + _namespace.Length;
    }

    /// <summary>Keeps the connection's places: what it has been sent of each channel once this event is out.</summary>
    void Follow(in Outbound outbound)
    {
        switch (outbound.Event?.Event)
        {
            case MessageReceived { Channel: var channel, Epoch: var epoch } when outbound.Event.Offset is > 0 and var offset:
                _offset.Move(channel, new(epoch, offset), outbound.Subscription);
                break;
            case GapDetected { Channel: var channel, Position: var position }:
                _offset.Move(channel, position, outbound.Subscription);
                break;
            case ChannelPositioned { Channel: var channel, Position: null }:
                _offset.Remove(channel);
                break;
            case ChannelPositioned { Channel: var channel, Position: { } position } when !_offset.Has(channel):
                _offset.Move(channel, position);
                break;
        }
    }

    void SendRoomEvent(string name, ChannelId channel, bool? recovered) => SendEvent(name, json =>
    {
        json.WriteStartObject();
        json.WriteString("roomId"u8, RoomName.FromQualified(channel.Key).Name);
        if (recovered is { } value)
        {
            json.WriteBoolean("recovered"u8, value);
        }

        json.WriteEndObject();
    });

    static void SkipPacket(ref ReadOnlySpan<byte> parts)
    {
        SocketIoPart.TryTake(ref parts, out _, out int attachments, out _);
        for (; attachments > 0; attachments--)
        {
            SocketIoPart.TryTake(ref parts, out _, out _, out _);
        }
    }

    // ---- What it sends --------------------------------------------------------------------------------------------

    /// <summary>
    /// An event of the client. They are begun in order, each when the one before has got as far as its order matters. Completes when the next may be read.
    /// </summary>
    public ValueTask ReceiveAsync(string name, EventData data, long? id)
    {
        lock (_backlog)
        {
            if (_handling)
            {
                _backlog.Enqueue((name, data, id));
                return _backlog.Count < _options.MaxBacklog
                    ? default
                    : new((_backlogTaken ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task);
            }

            _handling = true;
        }

        var begun = BeginAsync(name, data, id);
        if (begun.IsCompletedSuccessfully)
        {
            TakeBacklog();
        }
        else
        {
            _ = FinishAsync(begun);
        }

        return default;
    }

    /// <summary>The connection is over: nothing waits any more.</summary>
    public void Forget()
    {
        lock (_backlog)
        {
            _handling = true;
            _backlog.Clear();
            _backlogTaken?.TrySetResult();
            _backlogTaken = null;
        }
    }

    async Task FinishAsync(ValueTask begun)
    {
        await begun;
        TakeBacklog();
    }

    void TakeBacklog()
    {
        while (true)
        {
            (string Name, EventData Data, long? Id) next;
            lock (_backlog)
            {
                if (IsClosing || !_backlog.TryDequeue(out next))
                {
                    _handling = IsClosing;
                    return;
                }

                if (_backlog.Count < _options.MaxBacklog / 2)
                {
                    _backlogTaken?.TrySetResult();
                    _backlogTaken = null;
                }
            }

            var begun = BeginAsync(next.Name, next.Data, next.Id);
            if (!begun.IsCompletedSuccessfully)
            {
                _ = FinishAsync(begun);
                return;
            }
        }
    }

    /// <summary>Never throws.</summary>
    async ValueTask BeginAsync(string name, EventData data, long? id)
    {
        Task<EventData?> answer;
        try
        {
            answer = await _client.Server.Events.BeginAsync(this, name, data, asked: id is not null);
        }
        catch (Exception exception)
        {
            Refuse(name, id, exception);
            return;
        }

        if (!answer.IsCompletedSuccessfully)
        {
            var answering = AnswerAsync(name, id, answer);
            if (Interlocked.Increment(ref _handlers) > HandlersAtOnce)
            {
                await answering;
            }
        }
        else if (id is { } asked)
        {
            Acknowledge(asked, answer.Result ?? EventData.Empty);
        }
    }

    async Task AnswerAsync(string name, long? id, Task<EventData?> answer)
    {
        try
        {
            var data = await answer;
            if (id is { } asked)
            {
                Acknowledge(asked, data ?? EventData.Empty);
            }
        }
        catch (Exception exception)
        {
            Refuse(name, id, exception);
        }
        finally
        {
            Interlocked.Decrement(ref _handlers);
        }
    }

    void Refuse(string name, long? id, Exception exception)
    {
        if (_client.Server.Events.Explain(name, exception) is not { } error)
        {
            return;
        }

        if (id is { } asked)
        {
            Acknowledge(asked, SocketIoEvents.ErrorAnswer(name, error));
            return;
        }

        SendEvent("error", json =>
        {
            json.WriteStartObject();
            json.WriteString("event"u8, name);
            json.WriteString("code"u8, error.Code.Text());
            json.WriteString("message"u8, error.Message);
            json.WriteEndObject();
        });
    }
}

/// <summary>A packet of text on its way.</summary>
sealed class SocketIoText(byte[] packet) : IEngineContent
{
    public void WriteTo(EngineOutput output) => output.Text(packet);
}
