using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;
using OrleansRealtime.Jobs;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>Jobs outlive the process that runs them, and only one activation's work counts.</summary>
public sealed class JobSurvivalTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_job_whose_process_ends_goes_on_from_its_checkpoint_and_completes_once(bool killed)
    {
        await using var server = await ServerProcess.StartAsync();
        using var rest = new JobClient(await server.RestAsync("ann"));
        string id = (await rest.StartAsync("deploy", new { featureId = "1" })).GetProperty("id").GetString()!;
        var seen = new List<JobEvent>();
        await using (var stream = await JobStream.OpenAsync(server.Address, id))
        {
            // The first step's checkpoint is kept before the second one is told.
            seen.Add((await stream.NextAsync())!);
            seen.Add((await stream.NextAsync())!);
            await (killed ? server.KillAsync() : server.TerminateAsync());
        }

        await server.RestartAsync();
        await using var again = await JobStream.OpenAsync(server.Address, id, seen[^1].Cursor);
        seen.AddRange(await again.RestAsync());
        Assert.Equal("complete", seen[^1].Name);
        var steps = seen.SkipLast(1).Select(e => (e.Name, Progress: JsonDocument.Parse(e.Data).RootElement.GetProperty("progress").GetInt32())).ToList();
        Assert.All(steps, step => Assert.Equal("message", step.Name));
        Assert.Equal([25, 50, 75, 100], steps.Select(step => step.Progress).Distinct());
        Assert.Single(steps, step => step.Progress == 25);
        Assert.Equal(steps.Select(step => step.Progress).Order(), steps.Select(step => step.Progress));
        Assert.Equal("completed", (await rest.GetAsync(id)).GetProperty("status").GetString());
        Assert.Equal(seen.Count, (await server.HistoryAsync(await server.TokenAsync("ann"), "job:" + id)).Count);
    }

    [Fact]
    public async Task A_handler_whose_job_goes_on_in_another_activation_is_stopped_by_the_store()
    {
        var calls = new List<int>();
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stopped = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var host = await EmbeddedHost.StartWithJobsAsync(jobs => jobs.Add("fenced", async context =>
        {
            lock (calls)
            {
                calls.Add(context.Attempt);
            }

            await context.ReportAsync(new { call = context.Attempt, from = context.GetCheckpoint<string>() });
            if (context.Attempt > 1)
            {
                return;
            }

            await context.CheckpointAsync("kept");
            await gate.Task;
            stopped.SetResult(await Record.ExceptionAsync(() => context.CheckpointAsync("too late")));
            await context.ReportAsync("too late");
        }));
        using var rest = new JobClient(await host.RestAsync("ann"));
        string id = (await rest.StartAsync("fenced")).GetProperty("id").GetString()!;
        await using var stream = await JobStream.OpenAsync(host.Address, id);
        Assert.Equal("""{"call":1,"from":null}""", (await stream.NextAsync())!.Data);

        // As an activation elsewhere would that takes this silo for dead.
        var storage = host.Services.GetRequiredKeyedService<IGrainStorage>("realtime");
        var grain = host.Services.GetRequiredService<IGrainFactory>().GetGrain<IJobGrain>(id).GetGrainId();
        var state = new GrainState<JobState>();
        await Eventually.True("the checkpoint is kept", async () =>
        {
            await storage.ReadStateAsync("job", grain, state);
            return state.State!.Checkpoint is not null;
        });
        state.State = state.State! with { Attempt = state.State.Attempt + 1 };
        await storage.WriteStateAsync("job", grain, state);
        gate.SetResult();

        Assert.IsType<OperationCanceledException>(await stopped.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        await rest.EndedAsync(id);
        Assert.Equal([("message", """{"call":3,"from":"kept"}"""), ("complete", "null")], (await stream.RestAsync()).Select(e => e.What));
        lock (calls)
        {
            Assert.Equal([1, 3], calls);
        }
    }

    [Fact]
    public async Task A_finished_job_is_forgotten_after_its_retention()
    {
        await using var host = await EmbeddedHost.StartWithJobsAsync(
            jobs => jobs.Add("short", _ => Task.CompletedTask),
            settings: [("Realtime:Jobs:Retention", "00:00:01"), ("Realtime:Jobs:ResumePeriod", "00:00:01")]);
        using var rest = new JobClient(await host.RestAsync("ann"));
        string id = (await rest.StartAsync("short", idempotencyKey: "once")).GetProperty("id").GetString()!;
        await Eventually.True("it is forgotten", async () => (await rest.CancelAsync(id)).Body.TryGetProperty("code", out var code) && code.GetString() == "unknown_job");

        // So is its key. What follows under it is another job, although the room still has the first one's end.
        var second = await rest.StartAsync("short", idempotencyKey: "once");
        Assert.Equal((id, "running"), (second.GetProperty("id").GetString(), second.GetProperty("status").GetString()));
        var seen = Assert.Single(await JobStream.AllAsync(host.Address, id));
        Assert.Equal("complete", seen.Name);
        Assert.EndsWith(":2", seen.Cursor, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_setting_is_named()
    {
        var result = new JobOptionsValidator().Validate(null, new() { Retention = TimeSpan.Zero, ResumePeriod = TimeSpan.Zero, MaxInputBytes = 0 });
        Assert.Equal(["Realtime:Jobs:Retention", "Realtime:Jobs:ResumePeriod", "Realtime:Jobs:MaxInputBytes"], result.Failures!.Select(f => f.Split(' ')[0]));
        Assert.True(new JobOptionsValidator().Validate(null, new()).Succeeded);
    }

    [Fact]
    public void A_job_has_one_handler()
    {
        var services = new ServiceCollection().AddJobs(jobs => jobs.Add("one", _ => Task.CompletedTask));
        services.AddJobs(jobs => jobs.Add("two", _ => Task.CompletedTask));
        Assert.Throws<ArgumentException>(() => services.AddJobs(jobs => jobs.Add("one", _ => Task.CompletedTask)));
        Assert.Throws<ArgumentException>(() => services.AddJobs(jobs => jobs.Add("", _ => Task.CompletedTask)));
    }
}
