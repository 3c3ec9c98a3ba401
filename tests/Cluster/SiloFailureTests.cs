using OrleansRealtime.Tests.Cluster.Clients;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>Silos die, and what they owned goes on at the others.</summary>
[Collection(ClusterTests.Name)]
public sealed class SiloFailureTests(SharedCluster shared)
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    readonly RealtimeCluster _cluster = shared.Cluster;

    [Fact]
    public async Task After_a_silos_death_publishing_goes_on_and_even_a_last_message_arrives_everywhere()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 6, Members: 2, Visitors: 2));
        crowd.BeginLoad(Interval);
        await crowd.PublishAsync(3);
        await _cluster.Silos[0].KillAsync();
        await crowd.EndLoadAsync();

        // One message in each room, and nothing after it.
        await crowd.PublishAsync();
        await crowd.HasLostNothingAsync();
        await _cluster.Silos[0].StartAsync();
    }

    [Fact]
    public async Task After_the_death_of_all_silos_everything_goes_on_with_new_ones()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 3, Members: 2, Visitors: 1));
        await crowd.PublishAsync(3);
        crowd.BeginLoad(Interval);
        await Task.WhenAll(_cluster.Silos.Select(s => s.KillAsync()));
        await Task.WhenAll(_cluster.Silos.Select(s => s.StartAsync()));
        await crowd.EndLoadAsync();
        await crowd.PublishAsync();
        await crowd.HasLostNothingAsync();
    }

    [Fact]
    public async Task A_silo_that_is_stopped_for_a_while_costs_nothing_but_time()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 4, Members: 2, Visitors: 1));
        crowd.BeginLoad(Interval);
        await crowd.PublishAsync(3);
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_cluster.Redis.ConnectionString);
        await Eventually.True("the silos are known, and none that was", async () => await LivingSilosAsync(redis) == _cluster.Silos.Count);
        var stopped = _cluster.Silos[0];
        int restarts = stopped.SelfRestarts;
        stopped.Pause();

        // Acknowledged by the other silo: it has taken over what the stopped one owned.
        await crowd.PublishAsync(3);
        await Eventually.True("the other takes it for dead", async () => await LivingSilosAsync(redis) == _cluster.Silos.Count - 1);
        stopped.Resume();
        await Eventually.True("it has learned that it counts as dead", () => stopped.SelfRestarts > restarts, () => stopped.Output);
        await crowd.PublishAsync(3);
        await crowd.EndLoadAsync();
        await crowd.HasLostNothingAsync();
        await _cluster.ReadyAsync();
    }

    /// <summary>As the cluster's membership has them.</summary>
    static async Task<int> LivingSilosAsync(ConnectionMultiplexer redis) =>
        (await redis.GetDatabase().HashValuesAsync("realtime:orleans:realtime:members")).Count(row => $"{row}".Contains($"\"Status\":{(int)SiloStatus.Active},", StringComparison.Ordinal));
}
