using OrleansRealtime.Tests.Cluster.Clients;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SocketIo;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>Silos die, and what they owned goes on at the others.</summary>
[Collection(ClusterTests.Name)]
public sealed class SiloFailureTests(SharedCluster shared, NodeClients node) : IClassFixture<NodeClients>
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
    public async Task Who_has_left_while_no_silo_was_there_is_told_of_and_nobody_is_said_to_have_come_who_was_there()
    {
        string room = "room-" + Guid.NewGuid().ToString("n");
        await using var ann = await JoinAsync(room, "ann", gateway: 0);
        await using var bob = await JoinAsync(room, "bob", gateway: 1);
        await using var cat = await JoinAsync(room, "cat", gateway: 0);
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_cluster.Redis.ConnectionString);
        await Eventually.True("the room has told of all", async () => await redis.GetDatabase().SetLengthAsync($"realtime:{{room:/:{room}}}:members") == 3);
        Assert.Equal("bob", (await ann.NextAsync("user:joined"))[0].GetString());
        Assert.Equal("cat", (await ann.NextAsync("user:joined"))[0].GetString());

        await Task.WhenAll(_cluster.Silos.Select(s => s.KillAsync()));
        await bob.DisposeAsync();
        await Task.WhenAll(_cluster.Silos.Select(s => s.StartAsync()));
        Assert.Equal("bob", (await ann.NextAsync("user:left"))[0].GetString());
        Assert.Equal(0, ann.Count("user:joined"));
        Assert.Equal(2, (await ann.IsOkAsync("presence", room)).GetProperty("members").GetInt32());
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

    async Task<NodeSocket> JoinAsync(string room, string user, int gateway)
    {
        using var api = new RestApi(_cluster.Addresses[gateway]);
        var socket = await node.ConnectAsync(new() { Server = _cluster.Addresses[gateway], Token = await api.TokenAsync(user) });
        await socket.IsOkAsync("join:room", room);
        return socket;
    }

    /// <summary>As the cluster's membership has them.</summary>
    static async Task<int> LivingSilosAsync(ConnectionMultiplexer redis) =>
        (await redis.GetDatabase().HashValuesAsync("realtime:orleans:realtime:members")).Count(row => $"{row}".Contains($"\"Status\":{(int)SiloStatus.Active},", StringComparison.Ordinal));
}
