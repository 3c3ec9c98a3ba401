using System.Net.Http.Headers;
using System.Text.Json;

namespace OrleansRealtime.Tests.Processes;

/// <summary>The REST API of a gateway, as the tests use it.</summary>
sealed class RestApi(Uri address) : IDisposable
{
    readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>A development token of the user; the query may ask for roles, rooms or a lifetime.</summary>
    public async Task<string> TokenAsync(string user, string query = "")
    {
        string json = await _http.GetStringAsync(
            new Uri($"/dev/token?user={Uri.EscapeDataString(user)}{query}", UriKind.Relative), TestContext.Current.CancellationToken);
        return JsonDocument.Parse(json).RootElement.GetProperty("token").GetString()!;
    }

    /// <summary>A client of the REST API that speaks for the user.</summary>
    public async Task<HttpClient> ClientAsync(string user, string query = "") => new()
    {
        BaseAddress = address,
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", await TokenAsync(user, query)) },
    };

    public async Task<JsonElement> GetAsync(string path, string token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
    }

    /// <summary>All messages of a room, oldest first.</summary>
    public Task<List<JsonElement>> HistoryAsync(string token, string room) => AllAsync($"/api/rooms/{room}/messages", token);

    /// <summary>All messages of a room or an inbox, oldest first.</summary>
    /// <param name="messages">The path of its messages.</param>
    public async Task<List<JsonElement>> AllAsync(string messages, string token)
    {
        var pages = new List<JsonElement>();
        for (string before = ""; ;)
        {
            var page = (await GetAsync($"{messages}?limit=500{before}", token)).GetProperty("messages").EnumerateArray().ToList();
            pages.InsertRange(0, page);
            if (page.Count == 0 || page[0].GetProperty("offset").GetInt64() == 1)
            {
                return pages;
            }

            before = $"&before={page[0].GetProperty("offset").GetInt64()}";
        }
    }

    /// <summary>The path of the messages of <c>room:name</c> or <c>user:name</c>.</summary>
    public static string MessagesOf(string channel) =>
        channel.StartsWith("room:", StringComparison.Ordinal) ? $"/api/rooms/{channel[5..]}/messages" : $"/api/users/{channel[5..]}/messages";

    public void Dispose() => _http.Dispose();
}
