using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Tests.Cluster.Records;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>An event stream that resumes by <c>Last-Event-ID</c>, and publishing by REST.</summary>
sealed class SseChat : IChatConnection
{
    /// <summary>The cluster's gateways send a comment every 3 s.</summary>
    static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    readonly CuttableSockets _sockets = new();
    readonly Visit _visit;
    readonly HttpClient _http;
    Task<string> _reading = Task.FromResult("");
    volatile bool _isCut;

    SseChat(Uri gateway, Visit visit)
    {
        _visit = visit;
        _http = new(_sockets.Handler, disposeHandler: false) { BaseAddress = gateway, Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", visit.Token);
    }

    public Task<string> Ended => _reading;

    public static async Task<IChatConnection> OpenAsync(Uri gateway, Visit visit, CancellationToken cancellationToken)
    {
        var chat = new SseChat(gateway, visit);
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
        using var answer = await _http.PostAsJsonAsync(RestApi.MessagesOf(channel), new { data = messageId, messageId }, cancellationToken);
        string text = await answer.Content.ReadAsStringAsync(cancellationToken);
        var body = text.StartsWith('{') ? JsonDocument.Parse(text).RootElement : default;
        if (!answer.IsSuccessStatusCode)
        {
            throw new RefusedException(body.ValueKind == JsonValueKind.Object && body.TryGetProperty("code", out var code)
                ? $"{code.GetString()}: {body.GetProperty("detail").GetString()}"
                : $"{(int)answer.StatusCode}: {text}");
        }

        return Place.Parse(body.GetProperty("cursor").GetString()!);
    }

    public void Cut()
    {
        _visit.Note(this, v => v.Take(null));
        _isCut = true;
        _sockets.Cut();
    }

    public async ValueTask DisposeAsync()
    {
        _sockets.Cut();
        await ((Task)_reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _http.Dispose();
        _sockets.Dispose();
    }

    async Task StartAsync(CancellationToken cancellationToken)
    {
        _visit.Take(this);
        using var request = new HttpRequestMessage(
            HttpMethod.Get, $"/events?{(_visit.RoomName is { } room ? $"room={room}&" : "")}{(_visit.Inbox is null ? "" : "user=1")}");
        if (_visit.LastEventId is { } last)
        {
            request.Headers.Add("Last-Event-ID", last);
            foreach (var record in _visit.Records)
            {
                _visit.Note(this, _ => record.Resume());
            }
        }

        var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            string answer = await response.Content.ReadAsStringAsync(cancellationToken);
            var status = response.StatusCode;
            response.Dispose();
            throw new RefusedException(status == HttpStatusCode.ServiceUnavailable ? $"unavailable: {answer}" : $"{(int)status}: {answer}");
        }

        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _reading = Task.Run(() => ReadAsync(response, first), CancellationToken.None);
        await first.Task.WaitAsync(cancellationToken);
    }

    /// <returns>Why the stream has ended.</returns>
    async Task<string> ReadAsync(HttpResponseMessage response, TaskCompletionSource first)
    {
        string ended = "the stream has ended";
        try
        {
            using (response)
            {
                using var events = new EventStream(await response.Content.ReadAsStreamAsync(CancellationToken.None), Silence);
                while (true)
                {
                    var next = await events.NextAsync(CancellationToken.None);
                    ended = next.Name == "closing" ? next.Data : ended;
                    _visit.Note(this, _ => Add(next), next.Id);
                    first.TrySetResult();
                }
            }
        }
        catch (Exception exception)
        {
            first.TrySetException(exception);
            _ = first.Task.Exception;
            return _isCut ? "cut" : $"{ended} ({exception.Message})";
        }
    }

    void Add(StreamEvent next)
    {
        switch (next.Name)
        {
            case null:
                Begin(next.Id!);
                break;
            case "message":
                Receive(_visit.Room, next);
                break;
            case "direct":
                Receive(_visit.Inbox, next);
                break;
            case "gap":
                _visit.OnGap(JsonDocument.Parse(next.Data).RootElement);
                break;
        }
    }

    /// <summary>The first id names the position in every channel.</summary>
    void Begin(string id)
    {
        foreach (var record in _visit.Records.Where(r => r.Cursor is null))
        {
            if (Visit.PlaceIn(id, record) is { } place)
            {
                record.Begin(place);
            }
        }
    }

    static void Receive(MemberRecord? record, StreamEvent next)
    {
        var message = JsonDocument.Parse(next.Data).RootElement;
        record?.Receive(
            Place.Parse(message.GetProperty("cursor").GetString()!),
            message.TryGetProperty("messageId", out var id) ? id.GetString() : null);
    }
}
