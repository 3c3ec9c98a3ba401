using System.Net;
using System.Net.WebSockets;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.AspNetCore.SignalR.Protocol;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Client.Connections;

/// <summary>Why the server closes a connection.</summary>
sealed record Closing(string Reason, int Code, bool Reconnect, string? Message);

/// <summary>One connection to <c>/hub</c>, used once.</summary>
sealed class HubLink : IAsyncDisposable
{
    /// <summary>For the last words, which a server that is gone does not answer.</summary>
    static readonly TimeSpan DisposeLimit = TimeSpan.FromSeconds(2);

    static readonly JsonSerializerOptions s_json = JsonSerializerOptions.Web;

    readonly HubConnection _hub;
    readonly TaskCompletionSource<RealtimeClientException> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TaskCompletionSource _dropped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Action<string, JsonElement> _onEvent;
    HttpStatusCode _status;
    volatile bool _over;

    HubLink(RealtimeClientOptions options, Uri address, string token, Action<HubLink, string, JsonElement> onEvent)
    {
        _onEvent = (name, argument) => onEvent(this, name, argument);
        var builder = new HubConnectionBuilder().WithUrl(address, http =>
        {
            // Without the negotiation round the connection needs no sticky sessions.
            http.SkipNegotiation = true;
            http.Transports = HttpTransportType.WebSockets;
            http.WebSocketFactory = (context, cancellationToken) => OpenSocketAsync(options, context.Uri, token, cancellationToken);
        });
        var json = Options.Create(new JsonHubProtocolOptions { PayloadSerializerOptions = s_json });
        builder.Services.AddSingleton<IHubProtocol>(new InOrderProtocol(new JsonHubProtocol(json), OnEvent));
        if (options.Logging is { } logging)
        {
            builder.Services.AddSingleton(logging);
        }

        _hub = builder.Build();
        _hub.ServerTimeout = options.ServerTimeout;
        _hub.Closed += error =>
        {
            End(Closing is { } closing
                ? new(closing.Reason, closing.Message ?? "The server has ended the connection.", error)
                : new(RealtimeClientErrors.ConnectionLost, "The connection was lost.", error));
            return Task.CompletedTask;
        };
    }

    /// <summary>What the server has said before it closed.</summary>
    public Closing? Closing { get; private set; }

    /// <summary>Completes with the reason when the connection is gone. Never fails.</summary>
    public Task<RealtimeClientException> Ended => _ended.Task;

    /// <summary>Completes when the client has let go of it, which is soon after its end.</summary>
    public Task Dropped => _dropped.Task;

    /// <exception cref="RealtimeClientException">It could not be opened; <c>unauthenticated</c>, <c>not_allowed</c> or <c>connection_lost</c>.</exception>
    public static async Task<HubLink> OpenAsync(
        RealtimeClientOptions options, Uri address, string token, Action<HubLink, string, JsonElement> onEvent, CancellationToken cancellationToken)
    {
        var link = new HubLink(options, address, token, onEvent);
        try
        {
            await link._hub.StartAsync(cancellationToken);
            return link;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            await link.DisposeAsync();
            throw link.Closing is { } closing ? new(closing.Reason, closing.Message ?? "The server does not want the connection.", exception) : link._status switch
            {
                HttpStatusCode.Unauthorized => new("unauthenticated", "The server does not accept the token.", exception),
                HttpStatusCode.Forbidden => new("not_allowed", "The server does not allow the connection.", exception),
                _ => new RealtimeClientException(RealtimeClientErrors.ConnectionLost, $"The server cannot be reached: {exception.Message}", exception),
            };
        }
        catch
        {
            await link.DisposeAsync();
            throw;
        }
    }

    /// <summary>Calls a method of the hub (docs/api.md). Arguments at the end that are null may be left out.</summary>
    /// <exception cref="RealtimeClientException">Refused by the server, or <c>connection_lost</c>: then it may have been executed or not.</exception>
    public async Task<T> InvokeAsync<T>(string method, object?[] arguments, CancellationToken cancellationToken)
    {
        try
        {
            return (T)(await _hub.InvokeCoreAsync(method, typeof(T), arguments, cancellationToken))!;
        }
        catch (HubException exception)
        {
            throw HubRefusal.Of(exception);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is not JsonException)
        {
            throw new RealtimeClientException(RealtimeClientErrors.ConnectionLost, "The connection was lost before the answer came.", exception);
        }
    }

    /// <summary>Calls a method without a result.</summary>
    public Task InvokeAsync(string method, object?[] arguments, CancellationToken cancellationToken) =>
        InvokeAsync<JsonElement?>(method, arguments, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _dropped.TrySetResult();
        _over = true;
        End(new(RealtimeClientErrors.ConnectionLost, "The connection was closed."));
        try
        {
            await _hub.DisposeAsync().AsTask().WaitAsync(DisposeLimit);
        }
        catch (TimeoutException)
        {
            // It ends by itself once the operating system has given up on it.
        }
    }

    async ValueTask<WebSocket> OpenSocketAsync(RealtimeClientOptions options, Uri uri, string token, CancellationToken cancellationToken)
    {
        var socket = new ClientWebSocket();
        try
        {
            socket.Options.SetRequestHeader("Authorization", $"Bearer {token}");
            socket.Options.CollectHttpResponseDetails = true;
            using var invoker = options.MessageHandler is { } handler ? new HttpMessageInvoker(handler, disposeHandler: false) : null;
            await socket.ConnectAsync(uri, invoker, cancellationToken);
            return socket;
        }
        catch
        {
            _status = socket.HttpStatusCode;
            socket.Dispose();
            throw;
        }
    }

    void OnEvent(string name, JsonElement argument)
    {
        if (_over)
        {
            return;
        }

        if (name == "closing")
        {
            Closing = argument.Deserialize<Closing>(s_json);
        }

        _onEvent(name, argument);
    }

    void End(RealtimeClientException reason)
    {
        _over = true;
        _ended.TrySetResult(reason);
    }
}
