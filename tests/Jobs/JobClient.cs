using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>Jobs by REST, in the name of one user.</summary>
sealed class JobClient(HttpClient http) : IDisposable
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    public static string NewKey() => Guid.NewGuid().ToString("n");

    /// <summary>Starts a job; fails where it is refused.</summary>
    public async Task<JsonElement> StartAsync(string name, object? input = null, string query = "", string? idempotencyKey = null)
    {
        var (status, body) = await TryStartAsync(name, input, query, idempotencyKey);
        Assert.True(status == HttpStatusCode.Accepted, $"{name}: {status} {body}");
        return body;
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> TryStartAsync(string name, object? input = null, string query = "", string? idempotencyKey = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/jobs/{Uri.EscapeDataString(name)}{query}")
        {
            Content = input is null ? null : JsonContent.Create(input),
        };
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        using var response = await http.SendAsync(request, Token);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(Token));
    }

    public Task<JsonElement> GetAsync(string id) => http.GetFromJsonAsync<JsonElement>($"/api/jobs/{id}", Token);

    public async Task<(HttpStatusCode Status, JsonElement Body)> CancelAsync(string id)
    {
        using var response = await http.DeleteAsync(new Uri($"/api/jobs/{id}", UriKind.Relative), Token);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(Token));
    }

    /// <summary>Waits until the job has ended; returns what has become of it.</summary>
    public async Task<JsonElement> EndedAsync(string id, TimeSpan? within = null)
    {
        JsonElement job = default;
        await Eventually.True(
            "the job ends",
            async () =>
            {
                job = await GetAsync(id);
                return job.GetProperty("status").GetString() != "running";
            },
            () => job,
            within);
        return job;
    }

    public void Dispose() => http.Dispose();
}
