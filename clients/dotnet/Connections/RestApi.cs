using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using OrleansRealtime.Client.Messages;

namespace OrleansRealtime.Client.Connections;

/// <summary>What the hub has no method for, by REST under the same token.</summary>
sealed class RestApi(RealtimeClientOptions options, TokenSource tokens) : IDisposable
{
    readonly HttpClient _http = options.MessageHandler is { } handler ? new(handler, disposeHandler: false) : new();

    public Task<MessagePage> PageAsync(string path, PageRequest page, CancellationToken cancellationToken)
    {
        var query = new List<string>();
        if (page.After is { } after)
        {
            query.Add($"after={Uri.EscapeDataString(after)}");
        }

        if (page.Before is { } before)
        {
            query.Add(string.Create(CultureInfo.InvariantCulture, $"before={before}"));
        }

        if (page.Limit is { } limit)
        {
            query.Add(string.Create(CultureInfo.InvariantCulture, $"limit={limit}"));
        }

        return SendAsync<MessagePage>(HttpMethod.Get, query.Count == 0 ? path : $"{path}?{string.Join('&', query)}", null, cancellationToken);
    }

    /// <summary>Where the log of a channel ends now.</summary>
    public async Task<Cursor> EndAsync(string path, CancellationToken cancellationToken) =>
        Cursor.Parse((await PageAsync(path, new() { Limit = 1 }, cancellationToken)).Cursor);

    /// <exception cref="RealtimeClientException">With the server's code, or <c>connection_lost</c>.</exception>
    public async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, Below(options.Url, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tokens.Current);
        if (body is not null)
        {
            request.Content = JsonContent.Create(body, options: JsonSerializerOptions.Web);
        }

        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            if (response.IsSuccessStatusCode)
            {
                return (await response.Content.ReadFromJsonAsync<T>(JsonSerializerOptions.Web, cancellationToken))!;
            }

            throw await RefusalAsync(response, cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException && !cancellationToken.IsCancellationRequested)
        {
            throw new RealtimeClientException(RealtimeClientErrors.ConnectionLost, $"The server cannot be reached: {exception.Message}", exception);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>An address below the server's own, which may have a path.</summary>
    public static Uri Below(Uri url, string path) => new(url.GetLeftPart(UriPartial.Path).TrimEnd('/') + path);

    static async Task<RealtimeClientException> RefusalAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        int status = (int)response.StatusCode;
        try
        {
            var problem = await response.Content.ReadFromJsonAsync<Problem>(JsonSerializerOptions.Web, cancellationToken);
            if (problem?.Code is { } code)
            {
                return new(code, problem.Detail ?? $"The server answers {status}.");
            }
        }
        catch (JsonException)
        {
            // Somebody between here and the server has answered.
        }

        return new(status switch
        {
            401 => "unauthenticated",
            403 => "not_allowed",
            >= 500 or 429 => "unavailable",
            _ => "invalid_argument",
        }, $"The server answers {status}.");
    }

    sealed record Problem(string? Code, string? Detail);
}
