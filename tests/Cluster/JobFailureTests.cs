using System.Text.Json;
using OrleansRealtime.Tests.Jobs;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>The silo that runs a job dies, and the job goes on at another.</summary>
[Collection(ClusterTests.Name)]
public sealed class JobFailureTests(SharedCluster shared)
{
    /// <summary>So many that some are at either silo.</summary>
    const int Jobs = 16;

    static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    readonly RealtimeCluster _cluster = shared.Cluster;

    [Fact]
    public async Task Jobs_whose_silo_is_killed_go_on_at_the_other_and_complete_once_for_their_watchers()
    {
        var (one, two) = (_cluster.Addresses[0], _cluster.Addresses[1]);
        using var api = new RestApi(one);
        using var rest = new JobClient(await api.ClientAsync("ann"));
        var watchers = new List<(JobStream Stream, List<JobEvent> Seen)>();
        for (int i = 0; i < Jobs; i++)
        {
            string id = (await rest.StartAsync("deploy", new { featureId = $"{i}" })).GetProperty("id").GetString()!;
            watchers.Add((await JobStream.OpenAsync(i % 2 == 0 ? one : two, id), []));
        }

        foreach (var (stream, seen) in watchers)
        {
            seen.Add((await stream.NextAsync())!);
        }

        await _cluster.Silos[0].KillAsync();

        // Nobody asks for the jobs: it is their reminders that bring them back.
        await Task.WhenAll(watchers.Select(async w => w.Seen.AddRange(await w.Stream.RestAsync()))).WaitAsync(Limit, TestContext.Current.CancellationToken);
        await _cluster.Silos[0].StartAsync();
        Assert.All(watchers, w =>
        {
            Assert.Equal("complete", w.Seen[^1].Name);
            Assert.Equal(
                [25, 50, 75, 100],
                w.Seen.SkipLast(1).Select(e => JsonDocument.Parse(e.Data).RootElement.GetProperty("progress").GetInt32()).Distinct());
        });

        // A status bears the number of the call that it is of.
        string token = await api.TokenAsync("ann");
        var again = new List<string>();
        foreach (var (stream, seen) in watchers)
        {
            await stream.DisposeAsync();
            var history = await api.HistoryAsync(token, "job:" + stream.JobId);
            Assert.Equal(seen.Count, history.Count);
            again.AddRange(history.Select(m => m.GetProperty("messageId").GetString()!).Where(id => id.StartsWith("2.", StringComparison.Ordinal)));
        }

        Assert.NotEmpty(again);
        await _cluster.ReadyAsync();
    }
}
