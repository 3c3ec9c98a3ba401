using System.Net;
using System.Text.Json;
using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>Long-polling by hand: a client that has stopped asking.</summary>
sealed class StalledPolling : IStalledClient
{
    /// <summary>Between the packets of one response.</summary>
    const char Separator = '\u001e';

    readonly HttpClient _http;
    string _path = "/socket.io/?EIO=4&transport=polling";

    StalledPolling(Uri server) => _http = new() { BaseAddress = server };

    public static async Task<IStalledClient> JoinAsync(Uri server, string token, string room)
    {
        var stalled = new StalledPolling(server);
        string open = (await stalled.PollAsync())!;
        stalled._path += $"&sid={JsonDocument.Parse(open[1..]).RootElement.GetProperty("sid").GetString()}";
        await stalled.PostAsync($$"""40{"token":"{{token}}"}""");
        await stalled.PostAsync($"""421["join:room","{room}"]""");
        while (!(await stalled.PollAsync())!.Split(Separator).Any(p => p.StartsWith("431", StringComparison.Ordinal)))
        {
        }

        return stalled;
    }

    public async Task<IReadOnlyList<Received>> ResumeAsync()
    {
        var received = new List<Received>();
        while (await PollAsync() is { } packets)
        {
            received.AddRange(packets.Split(Separator).SelectMany(EventPackets.Read));
        }

        return received;
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>What has come; null where the session is gone.</summary>
    async Task<string?> PollAsync()
    {
        using var response = await _http.GetAsync(new Uri(_path, UriKind.Relative), TestContext.Current.CancellationToken);
        if (response.StatusCode == HttpStatusCode.BadRequest)
        {
            return null;
        }

        response.EnsureSuccessStatusCode();
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    async Task PostAsync(string packet)
    {
        using var response = await _http.PostAsync(
            new Uri(_path, UriKind.Relative), new StringContent(packet), TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
    }
}
