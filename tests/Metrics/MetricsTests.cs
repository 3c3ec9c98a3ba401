using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.Metrics;

/// <summary>What a gateway counts of its clients, as a dashboard and as Prometheus see it.</summary>
public sealed class MetricsTests
{
    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Connections_messages_and_errors_are_counted()
    {
        // In a process of its own: all gateways of a process count by the same meter.
        await using var host = await ServerProcess.StartAsync();
        using var http = new HttpClient { BaseAddress = host.Address };
        var received = new TaskCompletionSource();
        await using (var ann = await ConnectAsync(host, "ann"))
        await using (var bob = await ConnectAsync(host, "bob"))
        {
            bob.On<JsonElement>("message", _ => received.TrySetResult());
            await ann.InvokeAsync<JsonElement>("Join", "general", Token);
            await bob.InvokeAsync<JsonElement>("Join", "general", Token);
            await ann.InvokeAsync<JsonElement>("Send", "general", "message", "hello", Token);
            await received.Task.WaitAsync(Token);
            await Assert.ThrowsAsync<HubException>(() => ann.InvokeAsync<JsonElement>("Join", "", Token));
            await Eventually.True("both have been sent the message", async () => (await SummaryAsync(http)).GetProperty("metrics").GetProperty("messagesSent").GetInt64() >= 2);

            var summary = await SummaryAsync(http);
            Assert.Equal(2, summary.GetProperty("connectedClients").GetInt64());
            var metrics = summary.GetProperty("metrics");
            Assert.Equal(2, metrics.GetProperty("connections").GetInt64());
            Assert.Equal(0, metrics.GetProperty("disconnections").GetInt64());
            Assert.Equal(1, metrics.GetProperty("messagesReceived").GetInt64());
            Assert.Equal(1, metrics.GetProperty("errors").GetInt64());
            Assert.True(metrics.GetProperty("avgLatency").GetDouble() > 0);
        }

        await Eventually.True("both are gone", async () => (await SummaryAsync(http)).GetProperty("connectedClients").GetInt64() == 0);
        string prometheus = await http.GetStringAsync(new Uri("/metrics", UriKind.Relative), Token);
        Assert.Equal(2, Value(prometheus, """realtime_connections_opened_total{.*transport="signalr".*}"""));
        Assert.Equal(1, Value(prometheus, """realtime_errors_total{.*code="invalid_argument".*}"""));
        Assert.Equal(1, Value(prometheus, """realtime_publications_duration_seconds_count{.*}"""));
        Assert.True(Value(prometheus, """realtime_deliveries_total{.*}""") >= 2);
    }

    static async Task<HubConnection> ConnectAsync(ServerProcess host, string user)
    {
        var hub = new SignalRTransport(messagePack: false).Build(host.Address, await host.TokenAsync(user));
        await hub.StartAsync(Token);
        return hub;
    }

    static Task<JsonElement> SummaryAsync(HttpClient http) => http.GetFromJsonAsync<JsonElement>("/metrics/summary", Token);

    static double Value(string prometheus, string series)
    {
        var match = Regex.Match(prometheus, $"^{series} (?<value>\\S+)", RegexOptions.Multiline);
        Assert.True(match.Success, $"{series} is not in\n{prometheus}");
        return double.Parse(match.Groups["value"].Value, System.Globalization.CultureInfo.InvariantCulture);
    }
}
