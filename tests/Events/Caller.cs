using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.Events;

/// <summary>The ways in which a client can call a handler.</summary>
public enum Way
{
    SignalRJson,
    SignalRMessagePack,
    Rest,
}

/// <summary>What a call came to: a result, or an error's code and text.</summary>
sealed record Outcome(JsonElement? Result, string? Code = null, string? Text = null);

/// <summary>Calls handlers with a real client, a new one each time.</summary>
sealed class Caller(EmbeddedHost host, Way way, string user = "ann", string query = "")
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<Way> Ways => [Way.SignalRJson, Way.SignalRMessagePack, Way.Rest];

    public async Task<Outcome> CallAsync(string name, object? data, string? ns = null)
    {
        if (way == Way.Rest)
        {
            using var http = await host.RestAsync(user, query);
            using var body = data is byte[] bytes ? new ByteArrayContent(bytes) { Headers = { ContentType = new("application/octet-stream") } } : (HttpContent)JsonContent.Create(data);
            using var answer = await http.PostAsync(PathOf(name, ns), body, Token);
            return await ReadAsync(answer);
        }

        await using var hub = await ConnectAsync();
        try
        {
            object? result = await (ns is null ? hub.InvokeAsync<object?>("Request", name, data, Token) : hub.InvokeAsync<object?>("Request", name, data, ns, Token));
            return new(result is null ? null : SignalRTransport.ToJson(result));
        }
        catch (HubException exception)
        {
            // "An unexpected error … HubException: code: text"
            string[] parts = exception.Message[(exception.Message.IndexOf("HubException: ", StringComparison.Ordinal) + 14)..].Split(": ", 2);
            return new(null, parts[0], parts[1]);
        }
    }

    public async Task<HubConnection> ConnectAsync()
    {
        var hub = new SignalRTransport(way == Way.SignalRMessagePack).Build(host.Address, await host.TokenAsync(user, query));
        await hub.StartAsync(Token);
        return hub;
    }

    public static Uri PathOf(string name, string? ns = null) =>
        new($"/api/requests/{Uri.EscapeDataString(name)}{(ns is null ? "" : $"?namespace={Uri.EscapeDataString(ns)}")}", UriKind.Relative);

    public static async Task<Outcome> ReadAsync(HttpResponseMessage answer)
    {
        if (answer.StatusCode == HttpStatusCode.NoContent)
        {
            return new(null);
        }

        if (answer.Content.Headers.ContentType?.MediaType == "application/octet-stream")
        {
            return new(JsonSerializer.SerializeToElement(await answer.Content.ReadAsByteArrayAsync(Token)));
        }

        var json = await answer.Content.ReadFromJsonAsync<JsonElement>(Token);
        return answer.IsSuccessStatusCode ? new(json) : new(null, json.GetProperty("code").GetString(), json.GetProperty("detail").GetString());
    }
}
