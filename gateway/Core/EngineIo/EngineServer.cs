using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Hosting;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Serves Engine.IO at one path: opens sessions, and finds the session that a request belongs to.</summary>
sealed class EngineServer(
    EngineIoOptions options, AllowedOrigins origins, ClientConnections connections, TimeSpan closeTimeout, Func<EngineSession, IEngineClient> accept)
{
    const string Polling = "polling", WebSocketTransport = "websocket";

    /// <summary>Bytes of a session id: nobody guesses one.</summary>
    const int IdBytes = 15;

    readonly ConcurrentDictionary<string, EngineSession> _sessions = new();
    int _pending;

    public EngineIoOptions Options => options;

    /// <summary>How long a session that is told to go may take.</summary>
    public TimeSpan CloseTimeout => closeTimeout;

    public async Task ServeAsync(HttpContext http)
    {
        var query = http.Request.Query;
        string? transport = query["transport"];
        if (transport is not (Polling or WebSocketTransport) || !options.Allows(transport))
        {
            await EngineError.UnknownTransport.WriteAsync(http);
            return;
        }

        if (!origins.Allow(http.Request))
        {
            await EngineError.Forbidden($"The origin {http.Request.Headers.Origin} is not allowed (Realtime:Cors:Origins)").WriteAsync(http);
            return;
        }

        if (query["EIO"] != "4")
        {
            await EngineError.UnsupportedVersion.WriteAsync(http);
            return;
        }

        http.Response.Headers.CacheControl = "no-store";
        string? id = query["sid"];
        var error = (transport, id) switch
        {
            (Polling, null) => await OpenAsync(http),
            (Polling, _) => await PollOrPostAsync(http, id),
            (_, null) => await OpenWebSocketAsync(http),
            _ => await UpgradeAsync(http, id),
        };
        if (error is not null)
        {
            await error.WriteAsync(http);
        }
    }

    public void Tick(long now)
    {
        foreach (var session in _sessions.Values)
        {
            session.Tick(now);
        }
    }

    /// <summary>Ends all sessions, which then come back elsewhere.</summary>
    /// <param name="pendingOnly">Only those that have not been put to use.</param>
    public void CloseAll(bool pendingOnly)
    {
        foreach (var session in _sessions.Values)
        {
            if (!pendingOnly || !session.IsInUse)
            {
                _ = session.CloseAsync();
            }
        }
    }

    public void Remove(EngineSession session) => _sessions.TryRemove(new(session.Id, session));

    public void NoLongerPending() => Interlocked.Decrement(ref _pending);

    async Task<EngineError?> OpenAsync(HttpContext http)
    {
        if (!HttpMethods.IsGet(http.Request.Method))
        {
            return EngineError.BadHandshakeMethod;
        }

        if (await CreateSessionAsync(http) is not { } session)
        {
            return EngineError.Busy;
        }

        using var output = EngineOutput.Rent(framed: false);
        output.Text([EnginePacket.Open], Handshake(session, options.Allows(WebSocketTransport) ? [WebSocketTransport] : []));
        await AnswerAsync(http, output);
        return null;
    }

    async Task<EngineError?> PollOrPostAsync(HttpContext http, string id)
    {
        if (!_sessions.TryGetValue(id, out var session) || session.EndIfSilent(Environment.TickCount64))
        {
            return EngineError.UnknownSession;
        }

        if (HttpMethods.IsPost(http.Request.Method))
        {
            return await PostAsync(http, session);
        }

        if (!HttpMethods.IsGet(http.Request.Method) || await session.PollAsync(http.RequestAborted) is not { } output)
        {
            return EngineError.BadRequest;
        }

        using (output)
        {
            await AnswerAsync(http, output);
        }

        return null;
    }

    async Task<EngineError?> PostAsync(HttpContext http, EngineSession session)
    {
        if (http.Request.ContentLength > options.MaxPayload)
        {
            return EngineError.TooLarge(options.MaxPayload);
        }

        http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = options.MaxPayload;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)(http.Request.ContentLength ?? 4096) + 1);
        try
        {
            int length = 0;
            while (await http.Request.Body.ReadAsync(buffer.AsMemory(length), http.RequestAborted) is > 0 and var read)
            {
                length += read;
                if (length > options.MaxPayload)
                {
                    return EngineError.TooLarge(options.MaxPayload);
                }

                if (length == buffer.Length)
                {
                    buffer = EngineWebSocket.Grow(buffer, length);
                }
            }

            if (await session.PostAsync(buffer.AsMemory(0, length), new LiveRequest(http)) is { } error)
            {
                return error;
            }

            http.Response.ContentType = "text/html";
            await http.Response.WriteAsync("ok", http.RequestAborted);
            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    async Task<EngineError?> OpenWebSocketAsync(HttpContext http)
    {
        if (!WebSocketHandshake.IsRequested(http))
        {
            return EngineError.BadRequest;
        }

        if (await CreateSessionAsync(http) is not { } session)
        {
            return EngineError.Busy;
        }

        try
        {
            await EngineWebSocket.AcceptAsync(http, options, socket => ServeAsync(socket, session, isFirst: true));
        }
        catch
        {
            session.Abort();
            throw;
        }

        return null;
    }

    async Task<EngineError?> UpgradeAsync(HttpContext http, string id)
    {
        if (!_sessions.TryGetValue(id, out var session) || session.EndIfSilent(Environment.TickCount64))
        {
            return EngineError.UnknownSession;
        }

        if (!WebSocketHandshake.IsRequested(http))
        {
            return EngineError.BadRequest;
        }

        await EngineWebSocket.AcceptAsync(http, options, socket => ServeAsync(socket, session, isFirst: false));
        return null;
    }

    /// <summary>Reads a WebSocket to its end. Never throws.</summary>
    /// <param name="isFirst">Whether the session begins with it; where it does not, it is an upgrade.</param>
    async Task ServeAsync(EngineWebSocket socket, EngineSession session, bool isFirst)
    {
        bool begun = false;
        try
        {
            begun = isFirst ? await BeginAsync(socket, session) : session.BeginUpgrade(socket);
            if (begun)
            {
                await socket.ReadAsync(session);
            }
        }
        catch (Exception exception) when (EngineSession.IsGone(exception))
        {
            // The client did not wait for the first packet.
        }
        finally
        {
            if (begun)
            {
                session.Lost(socket);
            }

            if (isFirst)
            {
                session.Abort();
            }

            socket.Dispose();
        }
    }

    async ValueTask<bool> BeginAsync(EngineWebSocket socket, EngineSession session)
    {
        session.Open(socket);
        using var output = EngineOutput.Rent(framed: true);
        output.Text([EnginePacket.Open], Handshake(session, []));
        await socket.WriteAsync(output.Written);
        return true;
    }

    /// <summary>Null where too many are pending.</summary>
    async ValueTask<EngineSession?> CreateSessionAsync(HttpContext http)
    {
        connections.ThrowIfShuttingDown();
        var identity = await EngineIdentity.OfAsync(http);
        if (Interlocked.Increment(ref _pending) > options.MaxPending)
        {
            NoLongerPending();
            return null;
        }

        var session = new EngineSession(this, WebEncoders.Base64UrlEncode(RandomNumberGenerator.GetBytes(IdBytes)), identity);
        session.Start(accept(session));
        _sessions[session.Id] = session;
        return session;
    }

    byte[] Handshake(EngineSession session, string[] upgrades) => JsonSerializer.SerializeToUtf8Bytes(
        new EngineHandshake(session.Id, upgrades, (int)options.PingInterval.TotalMilliseconds, (int)options.PingTimeout.TotalMilliseconds, options.MaxPayload),
        EngineJson.Default.EngineHandshake);

    static async Task AnswerAsync(HttpContext http, EngineOutput output)
    {
        http.Response.ContentType = "text/plain; charset=UTF-8";
        http.Response.ContentLength = output.Written.Length;
        await http.Response.Body.WriteAsync(output.Written, http.RequestAborted);
    }
}
