using System.Text.Json;
using OrleansRealtime.Client;
using OrleansRealtime.Tests.Jobs;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>Jobs by the .NET client.</summary>
public sealed class JobClientTests(JobHost host) : IClassFixture<JobHost>
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_is_watched_from_its_first_event_over_a_lost_connection_to_its_last()
    {
        await using var clients = new TestClients();
        using var network = new Network();
        var ann = await clients.ConnectAsync(host.Address, await host.Host.TokenAsync("ann"), network);
        var job = await ann.Jobs.StartAsync("held", new { key = "dotnet-1" }, new() { IdempotencyKey = "k" }, Stop);
        Assert.Equal(job.Id, (await ann.Jobs.StartAsync("held", new { key = "dotnet-1" }, new() { IdempotencyKey = "k" }, Stop)).Id);
        Assert.Equal(("held", $"job:{job.Id}", "running"), (job.Name, job.Room, job.Status));

        var statuses = new List<string>();
        Client.JobEvent? last = null;
        await foreach (var jobEvent in ann.Jobs.WatchAsync(job.Id, cancellationToken: Stop))
        {
            last = jobEvent;
            if (jobEvent.Kind == JobEventKind.Status)
            {
                statuses.Add(jobEvent.Data.GetProperty("status").GetString()!);
                if (statuses.Count == 1)
                {
                    network.GoDown();
                    host.Open("dotnet-1");
                    await Eventually.True("the client has noticed", () => ann.State == ConnectionState.Reconnecting);
                    network.ComeBack();
                }
            }
        }

        Assert.Equal(["waiting", "going on", "done"], statuses);
        Assert.Equal(JobEventKind.Complete, last?.Kind);
        Assert.Equal("dotnet-1", (await ann.Jobs.ResultAsync<JsonElement>(job.Id, Stop)).GetProperty("key").GetString());
        Assert.Equal("completed", (await ann.Jobs.GetAsync(job.Id, Stop)).Status);
        Assert.False(await ann.Jobs.CancelAsync(job.Id, Stop));
    }

    [Fact]
    public async Task A_job_that_ends_otherwise_says_why()
    {
        await using var clients = new TestClients();
        var ann = await clients.ConnectAsync(host.Address, await host.Host.TokenAsync("ann"));
        var failing = await ann.Jobs.StartAsync("fails", cancellationToken: Stop);
        var failure = await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Jobs.ResultAsync<int>(failing.Id, Stop));
        Assert.Equal(("failed", "The moon is in the wrong place."), (failure.Code, failure.Message));

        var held = await ann.Jobs.StartAsync("held", new { key = "dotnet-2" }, cancellationToken: Stop);
        Assert.True(await ann.Jobs.CancelAsync(held.Id, Stop));
        Assert.Equal("cancelled", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Jobs.ResultAsync<int>(held.Id, Stop))).Code);
        Assert.Equal("unknown_job", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Jobs.ResultAsync<int>("AAAAAAAAAAAAAAAAAAAAAA", Stop))).Code);
        Assert.Equal("unknown_job", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Jobs.StartAsync("nonsense", cancellationToken: Stop))).Code);
    }
}
