using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Storage;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;

namespace OrleansRealtime.Tests.Channels;

public sealed class SqliteGrainStorageTests : IDisposable
{
    static readonly GrainId Grain = GrainId.Create("room", "/:general");

    readonly string _folder = Directory.CreateTempSubdirectory("realtime-store-").FullName;

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task State_survives_a_restart_of_the_silo()
    {
        var written = new GrainState<List<string>>(["ann", "bob"]);
        using (IHost host = await Start())
        {
            await Storage(host).WriteStateAsync("members", Grain, written);
            await host.StopAsync(Cancellation);
            await ((IAsyncDisposable)host).DisposeAsync();
        }

        using IHost again = await Start();
        var read = new GrainState<List<string>>([]);
        await Storage(again).ReadStateAsync("members", Grain, read);

        Assert.Equal(["ann", "bob"], read.State);
        Assert.Equal(written.ETag, read.ETag);
        Assert.True(read.RecordExists);
        await again.StopAsync(Cancellation);
        await ((IAsyncDisposable)again).DisposeAsync();
    }

    [Fact]
    public async Task Stale_etags_are_refused_and_cleared_state_is_gone()
    {
        using IHost host = await Start();
        IGrainStorage storage = Storage(host);
        var state = new GrainState<List<string>>(["ann"]);
        await storage.WriteStateAsync("members", Grain, state);
        var stale = new GrainState<List<string>>(["bob"], state.ETag);
        await storage.WriteStateAsync("members", Grain, state);

        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("members", Grain, stale));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.ClearStateAsync("members", Grain, stale));
        await Assert.ThrowsAsync<InconsistentStateException>(
            () => storage.WriteStateAsync("members", Grain, new GrainState<List<string>>(["new"])));

        await storage.ClearStateAsync("members", Grain, state);
        Assert.Empty(state.State!);
        Assert.False(state.RecordExists);
        var read = new GrainState<List<string>>(["x"]);
        await storage.ReadStateAsync("members", Grain, read);
        Assert.Empty(read.State!);
        Assert.False(read.RecordExists);
        Assert.Null(read.ETag);

        await storage.WriteStateAsync("members", Grain, state);
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync("members", Grain, stale));
        await host.StopAsync(Cancellation);
        await ((IAsyncDisposable)host).DisposeAsync();
    }

    [Fact]
    public async Task A_file_that_cannot_be_used_stops_the_start()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "realtime.db"), new string('x', 10_000), Cancellation);

        await Assert.ThrowsAsync<ChannelStoreStartupException>(Start);
    }

    static IGrainStorage Storage(IHost host) => host.Services.GetRequiredKeyedService<IGrainStorage>("realtime");

    async Task<IHost> Start()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["Realtime:Store:DataFolder"] = _folder;
        builder.Services.AddSqliteChannelStore(builder.Configuration);
        builder.UseOrleans(silo => silo
            .UseLocalhostClustering(Random.Shared.Next(20_000, 30_000), Random.Shared.Next(30_001, 32_000))
            .AddSqliteGrainStorage("realtime"));
        IHost host = builder.Build();
        await host.StartAsync(Cancellation);
        Assert.NotNull(host.Services.GetRequiredService<IChannelStore>());
        return host;
    }
}
