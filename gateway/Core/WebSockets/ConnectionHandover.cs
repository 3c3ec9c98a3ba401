using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OrleansRealtime.Gateway.WebSockets;

/// <summary>
/// Lets a WebSocket outlive the HTTP request that it began with: the request is authenticated, answered with 101 and over, and what remains is the connection. That is
/// half the memory of an idle one, and nothing stands between a frame and the socket.
/// <para>
/// It stands below HTTP in Kestrel's pipeline, and passes everything through until a request hands its connection over. Where something else stands between the two (TLS,
/// connection logging), and on other servers, a WebSocket stays in its request.
/// </para>
/// </summary>
public static class WebSocketHandover
{
    /// <summary>For all endpoints. The defaults of endpoints have one owner: an application that has its own calls the other overload there.</summary>
    public static void UseWebSocketHandover(this KestrelServerOptions kestrel) =>
        kestrel.ConfigureEndpointDefaults(endpoint => endpoint.UseWebSocketHandover());

    /// <summary>For one endpoint. Before whatever else it uses.</summary>
    public static void UseWebSocketHandover(this ListenOptions endpoint) =>
        endpoint.Use(next => connection => ConnectionHandover.RunAsync(connection, next));
}

/// <summary>One connection of Kestrel's, as HTTP sees it until a request hands it over.</summary>
sealed class ConnectionHandover : IDuplexPipe, IConnectionHeartbeatFeature
{
    readonly ConnectionContext _connection;
    readonly IDuplexPipe _transport;
    HttpInput? _input;
    HttpOutput? _output;
    volatile (Action<object> Action, object State)[] _heartbeats = [];
    Func<Task>? _serve;

    ConnectionHandover(ConnectionContext connection)
    {
        (_connection, _transport) = (connection, connection.Transport);
        (_input, _output) = (new(_transport.Input), new(_transport.Output));
        connection.Transport = this;
        connection.Features.Get<IConnectionHeartbeatFeature>()?.OnHeartbeat(static self => ((ConnectionHandover)self).Beat(), this);
        connection.Features.Set<IConnectionHeartbeatFeature>(this);
    }

    PipeReader IDuplexPipe.Input => _input!;

    PipeWriter IDuplexPipe.Output => _output!;

    /// <summary>The connection below a request, where nothing stands between the two; null otherwise.</summary>
    public static ConnectionHandover? Of(HttpContext http) => http.Features.Get<IConnectionTransportFeature>()?.Transport as ConnectionHandover;

    public static async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var handover = new ConnectionHandover(connection);
        await next(connection);
        await handover.ServeAsync();
    }

    /// <summary>HTTP's timeouts. They are over with HTTP: what they hold on to is all of a request.</summary>
    void IConnectionHeartbeatFeature.OnHeartbeat(Action<object> action, object state) => _heartbeats = [.. _heartbeats, (action, state)];

    /// <summary>Answers the request with 101. It is over then; <paramref name="serve"/> begins when it has ended.</summary>
    public async Task UpgradeAsync(HttpContext http, Func<WebSocketLink, Task> serve)
    {
        var request = new DetachedRequest(http);
        var answer = _output!.Detach();
        try
        {
            await WebSocketHandshake.AcceptAsync(http);
        }
        catch
        {
            // Kestrel has refused: it may have as many as it may. HTTP goes on, and says so.
            _output.Attach();
            throw;
        }

        byte[] head = answer.WrittenSpan.ToArray();
        _input!.Detach();
        _serve = () =>
        {
            var link = new ConnectionLink(_connection, request);
            var answering = link.WriteAsync(head);
            return answering.IsCompletedSuccessfully ? serve(link) : ServeAfterAsync(answering, link, serve);
        };
    }

    Task ServeAsync()
    {
        _connection.Transport = _transport;
        if (_serve is not { } serve)
        {
            return Task.CompletedTask;
        }

        (_serve, _input, _output, _heartbeats) = (null, null, null, []);
        return serve();
    }

    static async Task ServeAfterAsync(ValueTask answering, WebSocketLink link, Func<WebSocketLink, Task> serve)
    {
        try
        {
            await answering;
        }
        catch (IOException)
        {
            // The client is gone, which whoever serves it finds out as well.
        }

        await serve(link);
    }

    void Beat()
    {
        foreach (var (action, state) in _heartbeats)
        {
            action(state);
        }
    }

    /// <summary>What HTTP reads: the connection's input, until it is handed over and seems to have ended.</summary>
    sealed class HttpInput(PipeReader inner) : PipeReader
    {
        bool _detached;

        public void Detach() => _detached = true;

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            if (!_detached)
            {
                inner.AdvanceTo(consumed, examined);
            }
        }

        public override void CancelPendingRead()
        {
            if (!_detached)
            {
                inner.CancelPendingRead();
            }
        }

        public override void Complete(Exception? exception = null)
        {
            if (!_detached)
            {
                inner.Complete(exception);
            }
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
            _detached ? new(Ended()) : inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result)
        {
            if (_detached)
            {
                result = Ended();
                return true;
            }

            return inner.TryRead(out result);
        }

        static ReadResult Ended() => new(ReadOnlySequence<byte>.Empty, isCanceled: false, isCompleted: true);
    }

    /// <summary>What HTTP writes: to the connection's output, until it is handed over; from then on it is kept here.</summary>
    sealed class HttpOutput(PipeWriter inner) : PipeWriter
    {
        ArrayBufferWriter<byte>? _detached;

        public ArrayBufferWriter<byte> Detach() => _detached = new(512);

        public void Attach() => _detached = null;

        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

        public override long UnflushedBytes => _detached is null ? inner.UnflushedBytes : 0;

        public override void Advance(int bytes)
        {
            if (_detached is { } detached)
            {
                detached.Advance(bytes);
            }
            else
            {
                inner.Advance(bytes);
            }
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _detached?.GetMemory(sizeHint) ?? inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            _detached is null ? inner.FlushAsync(cancellationToken) : default;

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null)
        {
            if (_detached is null)
            {
                inner.Complete(exception);
            }
        }
    }
}
