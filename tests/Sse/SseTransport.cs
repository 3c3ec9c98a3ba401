using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.Sse;

/// <summary>.NET's parser of server-sent events, resuming with the id of the last event as an EventSource does; publishing is by REST.</summary>
sealed class SseTransport : ITransport
{
    static readonly string[] s_kinds = ["direct", "notification", "presence", "gap", "closing"];

    public async Task<ITransportClient> JoinAsync(Uri server, string token, string room, string? cursor = null)
    {
        var client = new Client(server, token, room);
        await client.StartAsync(cursor);
        return client;
    }

    public async Task<IStalledClient> JoinStalledAsync(Uri server, string token, string room)
    {
        var http = NewClient(server, token);
        return new Stalled(http, await OpenAsync(http, room, null));
    }

    static HttpClient NewClient(Uri server, string token) => new()
    {
        BaseAddress = server,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) },
        Timeout = Timeout.InfiniteTimeSpan,
    };

    static async Task<HttpResponseMessage> OpenAsync(HttpClient http, string room, string? cursor)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/events?room={Uri.EscapeDataString(room)}&user=1");
        if (cursor is not null)
        {
            request.Headers.Add("Last-Event-ID", cursor);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
        return response;
    }

    static Received ToReceived(SseItem<string> item, string? id) =>
        new(s_kinds.Contains(item.EventType) ? item.EventType : "message", JsonDocument.Parse(item.Data).RootElement, id);

    sealed class Client(Uri server, string token, string room) : ITransportClient
    {
        readonly HttpClient _http = NewClient(server, token);
        readonly ReceivedQueue _received = new();
        readonly CancellationTokenSource _stop = new();
        Task _reading = Task.CompletedTask;

        public bool Recovered => !_received.TryNext("gap", out _);

        public async Task StartAsync(string? cursor)
        {
            var response = await OpenAsync(_http, room, cursor);
            _reading = ReadAsync(response);
        }

        public async Task<long> SendAsync(string text, string? messageId = null)
        {
            using var response = await _http.PostAsJsonAsync(
                $"/api/rooms/{Uri.EscapeDataString(room)}/messages", new { data = text, messageId }, TestContext.Current.CancellationToken);
            response.EnsureSuccessStatusCode();
            return (await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken)).GetProperty("offset").GetInt64();
        }

        public Task<Received> NextAsync(string kind = "message") => _received.NextAsync(kind);

        public async Task<string?> ClosedAsync()
        {
            await _reading.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            return _received.TryNext("closing", out var closing) ? closing!.Body.GetProperty("reason").GetString() : null;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _http.Dispose();
            _stop.Dispose();
        }

        async Task ReadAsync(HttpResponseMessage response)
        {
            using (response)
            {
                var parser = SseParser.Create(await response.Content.ReadAsStreamAsync(_stop.Token));
                await foreach (var item in parser.EnumerateAsync(_stop.Token))
                {
                    _received.Add(ToReceived(item, parser.LastEventId));
                }
            }
        }
    }

    sealed class Stalled(HttpClient http, HttpResponseMessage response) : IStalledClient
    {
        public async Task<IReadOnlyList<Received>> ResumeAsync()
        {
            var received = new List<Received>();
            try
            {
                var parser = SseParser.Create(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
                await foreach (var item in parser.EnumerateAsync(TestContext.Current.CancellationToken))
                {
                    received.Add(ToReceived(item, parser.LastEventId));
                }
            }
            catch (IOException)
            {
                // Cut off by the server: what came before counts.
            }

            return received;
        }

        public ValueTask DisposeAsync()
        {
            response.Dispose();
            http.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
