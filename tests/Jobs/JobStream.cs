using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text.Json;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>What watchers of a job are told. The data is compact JSON, whichever way it came.</summary>
sealed record JobEvent(string Name, string Data, string? Cursor = null)
{
    public static JobEvent Of(string name, JsonElement data, string? cursor = null) => new(name, JsonSerializer.Serialize(data), cursor);

    /// <summary>Without the place, which not every transport tells.</summary>
    public (string Name, string Data) What => (Name, Data);
}

/// <summary>.NET's parser of server-sent events at <c>/jobs/{id}/events</c>.</summary>
sealed class JobStream : IAsyncDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    readonly HttpClient _http;
    readonly HttpResponseMessage _response;
    readonly SseParser<string> _parser;
    readonly IAsyncEnumerator<SseItem<string>> _events;

    JobStream(string jobId, HttpClient http, HttpResponseMessage response, Stream body)
    {
        JobId = jobId;
        _http = http;
        _response = response;
        _parser = SseParser.Create(body);
        _events = _parser.EnumerateAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
    }

    public string JobId { get; }

    /// <summary>Asks for the stream, whatever the answer.</summary>
    public static async Task<(HttpClient Http, HttpResponseMessage Response)> AskAsync(Uri server, string id, string? lastEventId = null, string? token = null)
    {
        var http = new HttpClient { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/jobs/{id}/events");
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return (http, await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken));
    }

    public static async Task<JobStream> OpenAsync(Uri server, string id, string? lastEventId = null, string? token = null)
    {
        var (http, response) = await AskAsync(server, id, lastEventId, token);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return new(id, http, response, await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>The next event; null where the stream has ended.</summary>
    public async Task<JobEvent?> NextAsync() => await _events.MoveNextAsync().AsTask().WaitAsync(Limit)
        ? JobEvent.Of(_events.Current.EventType, JsonDocument.Parse(_events.Current.Data).RootElement, _parser.LastEventId)
        : null;

    /// <summary>All that come until the stream ends.</summary>
    public async Task<List<JobEvent>> RestAsync()
    {
        var events = new List<JobEvent>();
        while (await NextAsync() is { } next)
        {
            events.Add(next);
        }

        return events;
    }

    /// <summary>All events of a job, from the first one.</summary>
    public static async Task<List<JobEvent>> AllAsync(Uri server, string id, string? token = null)
    {
        await using var stream = await OpenAsync(server, id, token: token);
        return await stream.RestAsync();
    }

    public ValueTask DisposeAsync()
    {
        // What waits for an event ends with the connection.
        _response.Dispose();
        _http.Dispose();
        return ValueTask.CompletedTask;
    }
}
