using System.Net.WebSockets;
using System.Text.Unicode;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>
/// A client of Engine.IO: first it may poll, then it may upgrade to a WebSocket, and it answers pings.
/// <para>
/// Writes take turns. One that finds a client that is not polling at the moment waits until it does, or until the client has upgraded.
/// </para>
/// </summary>
public sealed class EngineSession
{
    /// <summary>Frames of WebSocket's own (pongs) that may wait; a client that wants more of them does not read them.</summary>
    const int MaxFramesWaiting = 16;

    readonly EngineServer _server;
    readonly Lock _lock = new();
    readonly AsyncTurn _turn = new();

    /// <summary>Null where the session began with a WebSocket.</summary>
    LongPolling? _polling;

    volatile EngineWebSocket? _socket;
    EngineWebSocket? _probe;
    IEngineClient? _client;
    long _pingAt;
    long _pongBy;
    long _upgradeBy;
    int _framesWaiting;
    bool _posting;
    volatile bool _inUse;
    volatile bool _closed;

    internal EngineSession(EngineServer server, string id, EngineIdentity identity)
    {
        _server = server;
        Id = id;
        Identity = identity;
        _polling = new(_turn);
        _pingAt = Environment.TickCount64 + Milliseconds(server.Options.PingInterval);
    }

    /// <summary>The <c>sid</c>: random, and a secret of the client's.</summary>
    public string Id { get; }

    public bool IsClosed => _closed;

    /// <summary>Who the first request's token was of.</summary>
    internal EngineIdentity Identity { get; }

    internal bool IsPolling => _socket is null;

    internal bool IsInUse => _inUse;

    // ---- For the application ----------------------------------------------------------------------------------------

    /// <summary>Sends a message, when its turn has come and the client takes it. Completes once it is on its way.</summary>
    /// <exception cref="IOException">The session is over.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> data, bool binary) => WriteAsync(new Message(data, binary));

    /// <summary>The application has put the session to use: it no longer counts as pending.</summary>
    public void MarkInUse()
    {
        lock (_lock)
        {
            if (_inUse || _closed)
            {
                return;
            }

            _inUse = true;
        }

        _server.NoLongerPending();
    }

    /// <summary>Ends the session after what is being written: a WebSocket is closed, a poll is answered with a close packet.</summary>
    public Task CloseAsync() => CloseAsync(WebSocketCloseStatus.NormalClosure, "");

    /// <summary>Ends the session at once, and cuts the connection where there is one.</summary>
    public void Abort()
    {
        var socket = _socket;
        End(EngineControl.Close);
        socket?.Abort();
    }

    internal void Start(IEngineClient client) => _client = client;

    /// <summary>Writes when its turn has come.</summary>
    /// <exception cref="IOException">The session is over.</exception>
    internal ValueTask WriteAsync(IEngineContent content)
    {
        // The fast path: a WebSocket that nobody else is writing to.
        return _socket is { } socket && _turn.TryEnter() ? WriteFramesAsync(socket, content) : WriteInTurnAsync(content);
    }

    /// <summary>The same for what nobody waits for; where the client is gone, so is this.</summary>
    internal async Task TryWriteAsync(IEngineContent content)
    {
        try
        {
            await WriteAsync(content);
        }
        catch (Exception exception) when (IsGone(exception))
        {
            // The reader finds out too, and ends the session.
        }
    }

    internal async Task CloseAsync(WebSocketCloseStatus status, string reason)
    {
        if (_closed)
        {
            return;
        }

        _ = AbortAfterAsync(_server.CloseTimeout);
        if (_socket is { } socket)
        {
            await InTurnAsync(() => socket.CloseAsync(status, reason));
        }
        else
        {
            await TryWriteAsync(EngineControl.Close);
        }

        End(null);
    }

    /// <summary>A frame of WebSocket's own, a pong or the answer to a close.</summary>
    internal void SendFrame(byte[] frame)
    {
        if (Interlocked.Increment(ref _framesWaiting) <= MaxFramesWaiting)
        {
            _ = SendFrameAsync(frame);
        }
        else
        {
            Interlocked.Decrement(ref _framesWaiting);
        }
    }

    // ---- Time ---------------------------------------------------------------------------------------------------------

    internal void Tick(long now)
    {
        if (EndIfSilent(now))
        {
            return;
        }

        EngineWebSocket? late = null;
        bool ping = false;
        lock (_lock)
        {
            if (_pongBy == 0 && now >= _pingAt)
            {
                _pongBy = _pingAt + Milliseconds(_server.Options.PingTimeout);
                ping = true;
            }

            if (_probe is not null && now >= _upgradeBy)
            {
                late = _probe;
            }
        }

        late?.Abort();
        if (ping)
        {
            _ = TryWriteAsync(EngineControl.Ping);
        }

        _client?.OnTick(now);
    }

    /// <summary>Ends the session where a pong is overdue. Looked at with every request too: a client can be quicker than the ticks.</summary>
    internal bool EndIfSilent(long now)
    {
        lock (_lock)
        {
            long by = _pongBy != 0 ? _pongBy : _pingAt + Milliseconds(_server.Options.PingTimeout);
            if (_closed || now < by)
            {
                return _closed;
            }
        }

        Abort();
        return true;
    }

    // ---- Long-polling -------------------------------------------------------------------------------------------------

    /// <summary>
    /// A poll: completes with what there is for the client, once there is something. Null where another poll is under way, or the
    /// client has upgraded.
    /// </summary>
    internal async Task<EngineOutput?> PollAsync(CancellationToken aborted)
    {
        if (_polling is not { } polling)
        {
            return null;
        }

        if (polling.TryPoll() is not { } poll)
        {
            Abort();
            return null;
        }

        if (poll.IsCompleted)
        {
            return await poll;
        }

        using var registration = aborted.UnsafeRegister(static session => ((EngineSession)session!).End(null), this);
        return await poll;
    }

    /// <summary>What a client posts. Null where it was taken.</summary>
    internal async Task<EngineError?> PostAsync(ReadOnlyMemory<byte> payload, IClientRequest request)
    {
        lock (_lock)
        {
            if (_closed || _posting || _socket is not null)
            {
                return EngineError.BadRequest;
            }

            _posting = true;
        }

        try
        {
            bool valid = Utf8.IsValid(payload.Span) && !payload.IsEmpty;
            while (valid && !_closed && EnginePacket.TryTake(ref payload, out var packet))
            {
                valid = packet is { IsEmpty: false } && packet.Span[0] == EnginePacket.Binary
                    ? EnginePacket.DecodeBinary(packet.Span[1..]) is { } binary && await DeliverAsync(binary, binary: true, request)
                    : await ReceivePacketAsync(packet, request);
            }

            if (valid)
            {
                return null;
            }

            Abort();
            return EngineError.BadRequest;
        }
        finally
        {
            lock (_lock)
            {
                _posting = false;
            }
        }
    }

    // ---- WebSocket ----------------------------------------------------------------------------------------------------

    /// <summary>The session begins with a WebSocket.</summary>
    internal void Open(EngineWebSocket socket)
    {
        _socket = socket;
        _polling = null;
        socket.Attach(this);
    }

    /// <summary>The client tries a WebSocket beside its polls. False where it has one, or is trying another.</summary>
    internal bool BeginUpgrade(EngineWebSocket socket)
    {
        lock (_lock)
        {
            if (_closed || _socket is not null || _probe is not null)
            {
                return false;
            }

            _probe = socket;
            _polling!.IsUpgrading = true;
            _upgradeBy = Environment.TickCount64 + Milliseconds(_server.Options.UpgradeTimeout);
            return true;
        }
    }

    /// <summary>A WebSocket has ended: with it the session, unless it was only being tried.</summary>
    internal void Lost(EngineWebSocket socket)
    {
        lock (_lock)
        {
            if (_probe == socket)
            {
                _probe = null;
                _polling!.IsUpgrading = false;
                return;
            }
        }

        End(null);
    }

    /// <summary>A message of a WebSocket. False where nothing more is to be read.</summary>
    internal async ValueTask<bool> ReceiveAsync(EngineWebSocket socket, ReadOnlyMemory<byte> message, bool binary)
    {
        if (socket != _socket)
        {
            return !binary && await ReceiveFromProbeAsync(socket, message);
        }

        if (_closed)
        {
            // It has been told to go: only its goodbye counts.
            return true;
        }

        if (binary ? await DeliverAsync(message, binary: true, socket.Request) : await ReceivePacketAsync(message, socket.Request))
        {
            return true;
        }

        await CloseAsync();
        return false;
    }

    async ValueTask<bool> ReceiveFromProbeAsync(EngineWebSocket socket, ReadOnlyMemory<byte> message)
    {
        if (message.Span.SequenceEqual("2probe"u8))
        {
            using var answer = EngineOutput.Rent(framed: true);
            answer.Text("3probe"u8);
            await socket.WriteAsync(answer.Written);
            _polling!.Answer(EngineControl.Noop);
            return true;
        }

        if (message.Length != 1 || message.Span[0] != EnginePacket.Upgrade)
        {
            return false;
        }

        lock (_lock)
        {
            if (_closed || _probe != socket)
            {
                return false;
            }

            _probe = null;
            socket.Attach(this);
            _socket = socket;
        }

        _polling!.End(EngineControl.Noop);
        return true;
    }

    // ---- Both ---------------------------------------------------------------------------------------------------------

    /// <summary>A packet of text. False where it is not one, or says that the session is over.</summary>
    async ValueTask<bool> ReceivePacketAsync(ReadOnlyMemory<byte> packet, IClientRequest request)
    {
        switch (packet.IsEmpty ? (byte)0 : packet.Span[0])
        {
            case EnginePacket.Message:
                return await DeliverAsync(packet[1..], binary: false, request);
            case EnginePacket.Pong:
                lock (_lock)
                {
                    _pongBy = 0;
                    _pingAt = Environment.TickCount64 + Milliseconds(_server.Options.PingInterval);
                }

                return true;
            case EnginePacket.Close when IsPolling:
                End(EngineControl.Noop);
                return true;
            default:
                return false;
        }
    }

    async ValueTask<bool> DeliverAsync(ReadOnlyMemory<byte> data, bool binary, IClientRequest request)
    {
        await _client!.OnMessageAsync(data, binary, request);
        return true;
    }

    /// <summary>Ends the session, whoever wishes it.</summary>
    /// <param name="last">What a poll that is under way is answered with.</param>
    void End(IEngineContent? last)
    {
        bool wasPending;
        EngineWebSocket? probe;
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
            wasPending = !_inUse;
            probe = _probe;
        }

        _server.Remove(this);
        if (wasPending)
        {
            _server.NoLongerPending();
        }

        _polling?.End(last ?? EngineControl.Close);
        probe?.Abort();
        _client?.OnClosed();
    }

    ValueTask WriteFramesAsync(EngineWebSocket socket, IEngineContent content)
    {
        ValueTask write;
        EngineOutput? output = null;
        try
        {
            if (_closed)
            {
                throw Over();
            }

            output = EngineOutput.Rent(framed: true);
            content.WriteTo(output);
            write = output.Written.IsEmpty ? default : socket.WriteAsync(output.Written);
            if (!write.IsCompletedSuccessfully)
            {
                return FinishAsync(write, output);
            }
        }
        catch
        {
            output?.Dispose();
            _turn.Leave();
            throw;
        }

        output.Dispose();
        _turn.Leave();
        return default;
    }

    async ValueTask FinishAsync(ValueTask write, EngineOutput output)
    {
        try
        {
            await write;
        }
        finally
        {
            output.Dispose();
            _turn.Leave();
        }
    }

    /// <summary>The slow path: somebody else is writing, or the client has to poll first.</summary>
    async ValueTask WriteInTurnAsync(IEngineContent content)
    {
        await _turn.EnterAsync();
        if (_socket is null)
        {
            try
            {
                if (await _polling!.TryWriteAsync(content))
                {
                    _turn.Leave();
                    return;
                }
            }
            catch
            {
                _turn.Leave();
                throw;
            }
        }

        if (_socket is { } socket)
        {
            await WriteFramesAsync(socket, content);
            return;
        }

        _turn.Leave();
        throw Over();
    }

    async Task SendFrameAsync(byte[] frame)
    {
        await InTurnAsync(() => _socket?.WriteAsync(frame) ?? default);
        Interlocked.Decrement(ref _framesWaiting);
    }

    /// <summary>Writes to the WebSocket itself when its turn has come; where the client is gone, so is this.</summary>
    async Task InTurnAsync(Func<ValueTask> write)
    {
        await _turn.EnterAsync();
        try
        {
            await write();
        }
        catch (Exception exception) when (IsGone(exception))
        {
            // The reader finds out too, and ends the session.
        }
        finally
        {
            _turn.Leave();
        }
    }

    internal static bool IsGone(Exception exception) => exception is IOException or WebSocketException or OperationCanceledException or ObjectDisposedException;

    async Task AbortAfterAsync(TimeSpan timeout)
    {
        await Task.Delay(timeout);
        var socket = _socket;
        End(EngineControl.Close);
        socket?.Abort();
    }

    static IOException Over() => new("The session is over.");

    static long Milliseconds(TimeSpan time) => (long)time.TotalMilliseconds;

    sealed class Message(ReadOnlyMemory<byte> data, bool binary) : IEngineContent
    {
        public void WriteTo(EngineOutput output)
        {
            if (binary)
            {
                output.Binary(data.Span);
            }
            else
            {
                output.Text([EnginePacket.Message], data.Span);
            }
        }
    }
}
