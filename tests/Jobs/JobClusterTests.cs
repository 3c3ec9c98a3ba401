using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.TestingHost;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Hosting;
using OrleansRealtime.Jobs;
using OrleansRealtime.Rooms;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>Jobs in silos that an application puts together itself, as in its own tests with Orleans' TestCluster.</summary>
public sealed class JobClusterTests
{
    [Fact]
    public async Task Jobs_run_with_reminders_in_memory()
    {
        await using var store = Store();
        await using var cluster = await DeployAsync(store, silo => silo
            .UseInMemoryReminderService()
            .AddJobs(jobs => jobs.Add<int, int>("double", async (context, n) =>
            {
                await context.ReportAsync(n);
                return n * 2;
            })));
        string id = JobId.New();
        var job = cluster.Client.GetGrain<IJobGrain>(id);
        var start = await job.Start(new("double", new(PayloadKind.Json, "21"u8.ToArray()), "ann"));
        Assert.Equal(JobStartStatus.Started, start.Status);
        await Eventually.True("it completes", async () => (await job.Info())!.Status == JobStatus.Completed);
        Assert.Equal("42"u8.ToArray(), (await job.Info())!.Result!.Bytes);

        var room = cluster.Client.GetGrain<IRoomGrain>(JobId.RoomOf(id).Qualified);
        await Eventually.True("it is told", async () => (await job.Info())!.IsTold);
        Assert.Equal(["status", "complete"], (await room.Read(new(null, null, 10))).Messages.Select(m => m.Event));
        Assert.Equal(JobStartStatus.UnknownJob, (await cluster.Client.GetGrain<IJobGrain>(JobId.New()).Start(new("triple", null, "ann"))).Status);
    }

    [Fact]
    public async Task Without_reminders_a_silo_runs_and_a_start_says_what_is_missing()
    {
        await using var store = Store();
        await using var cluster = await DeployAsync(store, silo => silo.AddJobs(jobs => jobs.Add("one", _ => Task.CompletedTask)));
        var job = cluster.Client.GetGrain<IJobGrain>(JobId.New());
        var exception = await Assert.ThrowsAsync<OrleansConfigurationException>(() => job.Start(new("one", null, "ann")));
        Assert.Contains("UseInMemoryReminderService", exception.Message, StringComparison.Ordinal);
        Assert.Null(await job.Info());
    }

    static ServiceProvider Store()
    {
        var store = new ServiceCollection()
            .AddLogging()
            .AddSqliteChannelStore(new ConfigurationBuilder().AddInMemoryCollection([new("Realtime:Store:DataFolder", ":memory:")]).Build())
            .BuildServiceProvider();
        store.GetRequiredService<SqliteChannelStore>().Open();
        return store;
    }

    static async Task<InProcessTestCluster> DeployAsync(IServiceProvider store, Action<ISiloBuilder> configure)
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddRealtimeGrains(new ConfigurationBuilder().Build());
            silo.Services.AddSingleton(store.GetRequiredService<IChannelStore>());
            silo.Services.AddSingleton<IInterestStore, NoInterestStore>();
            silo.Services.AddSingleton<IMemberStore, NoMemberStore>();
            silo.AddMemoryGrainStorage("PubSubStore").AddMemoryGrainStorage("realtime");
            silo.AddMemoryStreams(OrleansRealtime.Gateways.Mailbox.ProviderName);
            configure(silo);
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }
}
