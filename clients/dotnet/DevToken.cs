using System.Net.Http.Json;

namespace OrleansRealtime.Client;

/// <summary>Tokens of a server in development, which hands out one of any name to anyone. Elsewhere there is none, and it fails.</summary>
public static class DevToken
{
    static readonly HttpClient s_http = new();

    public static async Task<string> FetchAsync(Uri server, string user, CancellationToken cancellationToken = default)
    {
        using var response = await s_http.GetAsync(new Uri(server, $"/dev/token?user={Uri.EscapeDataString(user)}"), cancellationToken);
        return response.StatusCode == System.Net.HttpStatusCode.NotFound
            ? throw new RealtimeClientException("unauthenticated", "The server hands out no development tokens.")
            : (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<Issued>(cancellationToken))!.Token;
    }

    sealed record Issued(string Token);
}
