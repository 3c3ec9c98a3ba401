using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Security.Claims;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>
/// A SignalR client over a WebSocket of our own: SignalR's hub runs on it as on any connection, reads what the client sends, and its
/// answers and pings take their turn in the connection's queue. Between an event and the link there is nothing else.
/// </summary>
sealed class HubWebSocket : WebSocketConnection, IAsyncDisposable
{
    readonly HubTransport _transport;
    IHubProtocol? _protocol;
    WireFormat? _format;

    /// <param name="http">The request that the link began with, or a copy of it.</param>
    public HubWebSocket(string id, WebSocketLink link, HttpContext http, Permissions permissions, GatewayOptions options, ILogger logger)
        : base(id, "signalr", link, permissions, options, logger) => _transport = new(this, http, options);

    /// <summary>The connection as SignalR's hub sees it.</summary>
    public ConnectionContext Context => _transport;

    /// <summary>JSON until the handshake has said which; nothing but the end of the connection can come before that.</summary>
    protected override WireFormat Format => _format ?? SignalRFormats.Handshake;

    /// <summary>Client and hub have agreed on a protocol.</summary>
    public void Use(IHubProtocol protocol)
    {
        _protocol = protocol;
        _format = SignalRFormats.Of(protocol, framed: true);
    }

    /// <summary>SignalR's pings and its watch for silent clients; called about once a second.</summary>
    public void Tick() => _transport.Tick();

    /// <summary>Reads the client's messages into the hub's input until the client closes, or is given up by <see cref="EndAsync"/>.</summary>
    public async Task ReadAsync()
    {
        var input = _transport.Input.Writer;
        bool ended = false;
        try
        {
            while (true)
            {
                // Nothing is held for a client that is silent.
                var result = await Socket.ReceiveAsync(Memory<byte>.Empty, _transport.ConnectionClosed);
                if (result.MessageType != WebSocketMessageType.Close)
                {
                    result = await Socket.ReceiveAsync(input.GetMemory(), _transport.ConnectionClosed);
                }

                if (result.MessageType == WebSocketMessageType.Close)
                {
                    // No data may follow the answer to a close (RFC 6455, 5.5.1), and the hub still has its own last words.
                    LocalChannels.End(this);
                    if (Socket.State == WebSocketState.CloseReceived)
                    {
                        await Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                    }

                    break;
                }

                if (IsClosing || ended)
                {
                    // It has been told to go: only its goodbye counts.
                    continue;
                }

                input.Advance(result.Count);
                ended = (await input.FlushAsync()).IsCompleted;
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException or ConnectionAbortedException)
        {
            // The client is gone, which is how connections end.
        }
        finally
        {
            await input.CompleteAsync();
        }
    }

    /// <summary>
    /// The hub has ended: says goodbye where the client has not, and lets the reading end. The client's goodbye is waited for: a connection
    /// that is closed with something unread in it is reset, and the client would not get to read why it was sent away.
    /// </summary>
    public async Task EndAsync(Task reading, TimeSpan timeout)
    {
        if (!IsClosing)
        {
            try
            {
                await WhenWrittenAsync().WaitAsync(timeout);
                if (Socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
                {
                    await Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
                }

                await reading.WaitAsync(timeout);
            }
            catch (Exception exception) when (exception is WebSocketException or TimeoutException)
            {
                Abort();
            }
        }

        await _transport.EndAsync();
    }

    public ValueTask DisposeAsync()
    {
        Socket.Dispose();
        return _transport.DisposeAsync();
    }

    protected override async ValueTask CloseAsync(CloseReason reason)
    {
        if (_protocol is { } protocol)
        {
            var close = new CloseMessage($"{reason.Name}: {reason.Text}", reason.Reconnect);
            byte[] frame = WebSocketFrame.Of(protocol.GetMessageBytes(close).Span, protocol.TransferFormat == TransferFormat.Binary);
            await WriteAsync(new[] { new Outbound(null, frame, null) });
        }

        // The client answers with its own close frame, which ends the reading and with it the hub; or it is cut off. The status is
        // "normal", since the .NET client throws away what it has not read yet when it sees another.
        await WriteCloseAsync((int)WebSocketCloseStatus.NormalClosure, reason.Name);
    }

    sealed class HubTransport :
        ConnectionContext, IDuplexPipe, IConnectionUserFeature, IHttpContextFeature, IConnectionHeartbeatFeature, ITransferFormatFeature
    {
        readonly HubWebSocket _owner;
        readonly HubOutput _output;
        readonly CancellationTokenSource _closed = new();
        Action? _tick;

        public HubTransport(HubWebSocket owner, HttpContext http, GatewayOptions options)
        {
            _owner = owner;
            _output = new(owner, this);
            HttpContext = http;
            ConnectionId = owner.Id;

            // Twice the largest message: the hub needs a whole one before it takes any of it.
            Input = new(new PipeOptions(
                pauseWriterThreshold: 4 * options.MaxPayloadBytes, resumeWriterThreshold: 2 * options.MaxPayloadBytes, useSynchronizationContext: false));
            Features = new FeatureCollection(8);
            Features.Set<IConnectionUserFeature>(this);
            Features.Set<IHttpContextFeature>(this);
            Features.Set<IConnectionHeartbeatFeature>(this);
            Features.Set<ITransferFormatFeature>(this);
            Features.Set(owner);
            Transport = this;
            ConnectionClosed = _closed.Token;
        }

        public Pipe Input { get; }

        public override string ConnectionId { get; set; }

        public override IFeatureCollection Features { get; }

        public override IDictionary<object, object?> Items { get => field ??= new ConnectionItems(); set; }

        public override IDuplexPipe Transport { get; set; }

        public override CancellationToken ConnectionClosed { get; set; }

        public ClaimsPrincipal? User { get => HttpContext!.User; set => HttpContext!.User = value!; }

        public HttpContext? HttpContext { get; set; }

        public TransferFormat SupportedFormats => TransferFormat.Text | TransferFormat.Binary;

        public TransferFormat ActiveFormat { get; set; } = TransferFormat.Text;

        PipeReader IDuplexPipe.Input => Input.Reader;

        PipeWriter IDuplexPipe.Output => _output;

        public void OnHeartbeat(Action<object> action, object state) => _tick += () => action(state);

        public void Tick() => _tick?.Invoke();

        /// <summary>Ends the reading, and with it the hub.</summary>
        public Task EndAsync() => _closed.CancelAsync();

        public override void Abort(ConnectionAbortedException abortReason) => _owner.Abort();

        public override ValueTask DisposeAsync()
        {
            _closed.Dispose();
            return base.DisposeAsync();
        }
    }

    /// <summary>Where the hub writes: each flush is a message, framed and queued. It never waits; the queue's bound is the connection's.</summary>
    sealed class HubOutput(HubWebSocket owner, HubTransport transport) : PipeWriter
    {
        ArrayBufferWriter<byte>? _buffer;

        public override Memory<byte> GetMemory(int sizeHint = 0) => (_buffer ??= new()).GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => (_buffer ??= new()).GetSpan(sizeHint);

        public override void Advance(int bytes) => _buffer!.Advance(bytes);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            if (_buffer is { WrittenCount: > 0 } buffer)
            {
                owner.SendFrame(WebSocketFrame.Of(buffer.WrittenSpan, transport.ActiveFormat == TransferFormat.Binary));

                // Not kept: most connections are silent for most of the time.
                _buffer = null;
            }

            return new(new FlushResult(isCanceled: false, isCompleted: owner.IsClosing));
        }

        public override void CancelPendingFlush()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }
}
