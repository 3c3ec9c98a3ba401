using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>The .NET SignalR client, built anew for every connection.</summary>
sealed class SignalRChat : IChatConnection
{
    static readonly TimeSpan DisposeLimit = TimeSpan.FromSeconds(5);

    readonly CuttableSockets _sockets = new();
    readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Visit _visit;
    readonly HubConnection _hub;
    string? _closing;

    SignalRChat(Uri gateway, Visit visit)
    {
        _visit = visit;
        string inbox = visit.Inbox?.Cursor is { } cursor ? $"?inbox={Uri.EscapeDataString(cursor.ToString())}" : "";
        _hub = new HubConnectionBuilder().WithUrl(new Uri(gateway, "/hub" + inbox), http =>
        {
            http.SkipNegotiation = true;
            http.Transports = HttpTransportType.WebSockets;
            http.WebSocketFactory = async (context, cancellationToken) =>
            {
                var socket = new ClientWebSocket();
                socket.Options.SetRequestHeader("Authorization", $"Bearer {visit.Token}");
                await socket.ConnectAsync(context.Uri, new HttpMessageInvoker(_sockets.Handler, disposeHandler: false), cancellationToken);
                return socket;
            };
        }).Build();
        _hub.On<JsonElement>("message", m => Note(v => v.Room!.Receive(PlaceOf(m), IdOf(m))));
        _hub.On<JsonElement>("direct", m => Note(v => v.Inbox?.Receive(PlaceOf(m), IdOf(m))));
        _hub.On<JsonElement>("gap", m => Note(v => v.OnGap(m)));
        _hub.On<JsonElement>("closing", m => _closing = m.GetProperty("reason").GetString());
        _hub.Closed += error =>
        {
            _ended.TrySetResult(_closing ?? error?.Message ?? "closed");
            return Task.CompletedTask;
        };
    }

    public Task<string> Ended => _ended.Task;

    public static async Task<IChatConnection> OpenAsync(Uri gateway, Visit visit, CancellationToken cancellationToken)
    {
        if (visit.Inbox is { Cursor: null } inbox)
        {
            // A hub connection is not told where its inbox begins, so a client that wants to miss nothing asks first.
            inbox.Begin(await EndOfInboxAsync(gateway, visit, cancellationToken));
        }

        var chat = new SignalRChat(gateway, visit);
        try
        {
            await chat.StartAsync(cancellationToken);
            return chat;
        }
        catch
        {
            chat.Cut();
            await chat.DisposeAsync();
            throw;
        }
    }

    public async Task<Place> PublishAsync(string channel, string messageId, CancellationToken cancellationToken)
    {
        string name = channel[5..];
        var answer = channel.StartsWith("room:", StringComparison.Ordinal)
            ? await InvokeAsync("Send", [name, "message", messageId, messageId], cancellationToken)
            : await InvokeAsync("SendToUser", [name, "message", messageId, messageId], cancellationToken);
        return PlaceOf(answer);
    }

    public void Cut()
    {
        _visit.Note(this, v => v.Take(null));
        _sockets.Cut();
        _ended.TrySetResult("cut");
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            // Its last words are of use to nobody, and a server that has been stopped would not answer them.
            await _hub.DisposeAsync().AsTask().WaitAsync(DisposeLimit);
        }
        catch (TimeoutException)
        {
            _visit.Tell("the SignalR client did not end in time");
        }

        _sockets.Dispose();
    }

    static Place PlaceOf(JsonElement message) => Place.Parse(message.GetProperty("cursor").GetString()!);

    static string? IdOf(JsonElement message) => message.TryGetProperty("messageId", out var id) ? id.GetString() : null;

    async Task StartAsync(CancellationToken cancellationToken)
    {
        _visit.Take(this);
        Note(v => v.Inbox?.Resume());
        await _hub.StartAsync(cancellationToken);

        if (_visit.Room is not { } room)
        {
            return;
        }

        var cursor = room.Cursor;
        if (cursor is not null)
        {
            Note(_ => room.Resume());
        }

        var joined = await InvokeAsync("Join", [_visit.RoomName, cursor?.ToString()], cancellationToken);
        if (cursor is null)
        {
            Note(_ => room.Begin(PlaceOf(joined)));
        }
        else if (!joined.GetProperty("recovered").GetBoolean())
        {
            Note(_ => room.NotRecovered());
        }
    }

    static async Task<Place> EndOfInboxAsync(Uri gateway, Visit visit, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = gateway };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", visit.Token);
        using var answer = await http.GetAsync(new Uri($"/api/users/{visit.User}/messages?limit=1", UriKind.Relative), cancellationToken);
        answer.EnsureSuccessStatusCode();
        return PlaceOf(JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancellationToken)).RootElement);
    }

    async Task<JsonElement> InvokeAsync(string method, object?[] arguments, CancellationToken cancellationToken)
    {
        try
        {
            return await _hub.InvokeCoreAsync<JsonElement>(method, arguments, cancellationToken);
        }
        catch (HubException exception) when (exception.Message.Contains("HubException:", StringComparison.Ordinal)
            && !exception.Message.Contains("The connection is gone", StringComparison.Ordinal))
        {
            throw new RefusedException(exception.Message[(exception.Message.LastIndexOf("HubException:", StringComparison.Ordinal) + 13)..].Trim());
        }
    }

    void Note(Action<Visit> note) => _visit.Note(this, note);
}
