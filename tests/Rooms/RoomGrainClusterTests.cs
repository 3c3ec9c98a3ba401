using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;
using Orleans.TestingHost;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Gateways;
using OrleansRealtime.Hosting;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Redis;
using OrleansRealtime.Rooms;
using OrleansRealtime.Rooms.Redis;
using OrleansRealtime.Tests.Mailboxes;
using OrleansRealtime.Tests.Redis;

namespace OrleansRealtime.Tests.Rooms;

/// <summary>Two silos that share a store for logs, and a Redis for what else a room's next activation is to find; and a gateway that is their client.</summary>
public sealed class TwoSilos : IAsyncLifetime
{
    readonly ServiceProvider _store = new ServiceCollection()
        .AddLogging()
        .AddSqliteChannelStore(new ConfigurationBuilder().AddInMemoryCollection([new("Realtime:Store:DataFolder", ":memory:")]).Build())
        .BuildServiceProvider();

    ConnectedStore _redis = null!;

    internal InProcessTestCluster Cluster { get; private set; } = null!;

    internal RedisServer Redis { get; private set; } = null!;

    internal RedisConnection Connection => _redis.Connection;

    public async ValueTask InitializeAsync()
    {
        _store.GetRequiredService<SqliteChannelStore>().Open();
        Redis = await RedisServer.StartAsync();
        _redis = await ConnectedStore.ConnectAsync(Redis.ConnectionString, TimeProvider.System);
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            [new("Realtime:Gateways:Lease", "00:00:02"), new("Realtime:Channels:PresenceDeliveries", "200"), new("Realtime:Channels:NamedPresenceLimit", "400")]).Build();
        var builder = new InProcessTestClusterBuilder(2);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddRealtimeGrains(configuration);
            silo.Services.AddSingleton(_store.GetRequiredService<IChannelStore>());
            silo.Services.AddSingleton<IInterestStore>(new RedisInterestStore(_redis.Connection));
            silo.Services.AddSingleton<IMemberStore>(new RedisMemberStore(_redis.Connection));
            silo.AddMemoryGrainStorage("PubSubStore").AddMemoryGrainStorage("realtime");
            silo.AddMailboxes();
        });
        builder.ConfigureClient(client => client.AddMailboxes());
        Cluster = builder.Build();
        await Cluster.DeployAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await _store.DisposeAsync();
        await _redis.DisposeAsync();
        await Redis.DisposeAsync();
    }
}

public sealed class RoomGrainClusterTests(TwoSilos silos) : IClassFixture<TwoSilos>
{
    readonly string _room = "/:" + Guid.NewGuid().ToString("n");

    IRoomGrain Room => silos.Cluster.Client.GetGrain<IRoomGrain>(_room);

    [Fact]
    public async Task What_is_published_reaches_each_interested_gateway_in_order_and_the_head_is_repeated()
    {
        var one = await GatewayAsync();
        var two = await GatewayAsync();
        for (int i = 0; i < 50; i++)
        {
            await Room.Publish(new("message", Payload.Null));
        }

        foreach (var gateway in new[] { one, two })
        {
            await Eventually.True("all messages have come", () => gateway.Offsets.Count >= 50, () => gateway.Offsets.Count);
            Assert.Equal(Enumerable.Range(1, 50).Select(o => (long)o), gateway.Offsets);
            await Eventually.True("the head is repeated", () => gateway.Events.OfType<HeadRepeated>().Any(h => h.Head.Offset == 50));
        }
    }

    [Fact]
    public async Task A_batch_of_a_gateway_is_one_event_for_each_gateway()
    {
        var gateway = await GatewayAsync();
        var result = await Room.Submit(gateway.Batch(publications: [.. Enumerable.Range(0, 20).Select(_ => new Publication("message", Payload.Null))]));
        Assert.Equal(Enumerable.Range(1, 20).Select(o => (long)o), result.Published.Select(p => p.Offset));
        await Eventually.True("the messages have come", () => gateway.Offsets.Count == 20, () => gateway.Offsets.Count);
        Assert.Single(gateway.Events.OfType<ChannelMessages>());
    }

    [Fact]
    public async Task What_a_gateway_publishes_goes_back_by_the_answer_and_to_others_by_their_mailboxes()
    {
        var publisher = await GatewayAsync();
        var other = await GatewayAsync();

        Assert.True((await PublishAsync(publisher)).ByAnswer);
        Assert.False((await PublishAsync(publisher, byAnswer: false)).ByAnswer);
        await Eventually.True("both messages have come", () => other.Offsets.Count == 2);
        await Eventually.True("the second has come to its publisher", () => publisher.Offsets.Count == 1);
        Assert.Equal(2, publisher.Offsets[0]);
    }

    [Fact]
    public async Task What_a_gateway_publishes_comes_behind_what_is_on_its_way_there()
    {
        var publisher = await GatewayAsync();
        publisher.Stop();
        await Room.Publish(new("before", Payload.Null));

        Assert.False((await PublishAsync(publisher)).ByAnswer);
        publisher.Continue();
        await Eventually.True("both have come", () => publisher.Offsets.Count == 2);
        Assert.Equal([1, 2], publisher.Offsets);
        await Eventually.True("by the answer again", async () => (await PublishAsync(publisher)).ByAnswer);
    }

    [Fact]
    public async Task A_gateway_that_is_not_interested_gets_nothing_by_the_answer_either()
    {
        var publisher = await GatewayAsync();
        await Room.Submit(publisher.Batch(interested: false));
        Assert.False((await PublishAsync(publisher)).ByAnswer);
    }

    [Fact]
    public async Task Presence_is_absolute_so_that_it_may_be_repeated()
    {
        var one = await GatewayAsync();
        var two = await GatewayAsync();
        for (int repeated = 0; repeated < 2; repeated++)
        {
            await Room.Submit(one.Batch(presence: [new("ann", 2), new("bob", 1)]));
            await Room.Submit(two.Batch(presence: [new("ann", 1)]));
        }

        var presence = await Room.Presence(100);
        Assert.Equal((2, 4), (presence.Members, presence.Connections));
        Assert.Contains(new Member("ann", 3), presence.List);

        await Room.Submit(one.Batch(presence: [new("ann", 0)], complete: true));
        presence = await Room.Presence(100);
        Assert.Equal(new Member("ann", 1), Assert.Single(presence.List));
        await Eventually.True("bob's leaving is told", () => Told(two).Any(p => p.Left.Contains("bob")));
    }

    [Fact]
    public async Task A_call_that_was_given_up_does_not_undo_what_has_been_said_since()
    {
        // As when a silo that hung goes on, and hands over what it was sent meanwhile.
        var gateway = await GatewayAsync();
        await Room.Submit(gateway.Batch(presence: [new("ann", 1)], number: 5));
        await Room.Submit(gateway.Batch(presence: [new("ann", 0)], number: 7));
        await Room.Submit(gateway.Batch(presence: [new("ann", 1)], number: 6));
        Assert.Equal(0, (await Room.Presence(1)).Members);

        await Room.Submit(gateway.Batch(interested: false, number: 9));
        await Room.Submit(gateway.Batch(interested: true, presence: [new("ann", 1)], number: 8));
        Assert.Equal(0, (await Room.Presence(1)).Members);

        await Room.Submit(gateway.Batch(interested: true, presence: [new("ann", 1)], number: 10));
        Assert.Equal(1, (await Room.Presence(1)).Members);
    }

    [Fact]
    public async Task Comings_and_goings_that_follow_one_another_are_told_together()
    {
        const int users = 100;
        var gateway = await GatewayAsync();
        for (int i = 0; i < users; i++)
        {
            await Room.Submit(gateway.Batch(presence: [new($"user-{i}", 1)]));
        }

        await Eventually.True("all are told of", () => Told(gateway).SelectMany(p => p.Joined).Distinct().Count() == users, () => Told(gateway).Count);
        Assert.Equal(users, Told(gateway).Sum(p => p.Joined.Count));
        Assert.Equal(users, Told(gateway)[^1].Members);
        Assert.True(Told(gateway).Count < users / 2, $"{Told(gateway).Count} events");
    }

    [Fact]
    public async Task Who_has_gone_again_before_his_coming_was_told_is_told_of_where_presence_has_listed_him()
    {
        // So many that the next change is told of a second later.
        var gateway = await GatewayAsync();
        await Room.Submit(gateway.Batch(presence: [.. Enumerable.Range(0, 200).Select(i => new PresenceCount($"user-{i}", 1))]));
        await Room.Submit(gateway.Batch(presence: [new("ann", 1), new("user-0", 0)]));
        Assert.Contains(new Member("ann", 1), (await Room.Presence(1000)).List);
        await Room.Submit(gateway.Batch(presence: [new("ann", 0), new("user-0", 1)]));
        await Eventually.True(
            "both are told of", () => Told(gateway).LastOrDefault() is { } told && told.Left.Contains("ann") && told.Joined.Contains("user-0"));
    }

    [Fact]
    public async Task A_gateway_that_falls_silent_is_forgotten_with_its_members()
    {
        var silent = await GatewayAsync();
        long lease = await RenewLeaseAsync(silent);
        await Room.Submit(silent.Batch(presence: [new("ann", 1)]));
        Assert.Equal(lease, await RenewLeaseAsync(silent));
        Assert.Equal(1, (await Room.Presence(1)).Members);
        await Eventually.True("the lease lapses", async () => (await Room.Presence(1)).Members == 0);
        await Eventually.True("it is another lease", async () => await RenewLeaseAsync(silent) != lease);
    }

    [Fact]
    public async Task A_gateway_that_retires_is_forgotten_at_once()
    {
        var gateway = await GatewayAsync();
        await Room.Submit(gateway.Batch(presence: [new("ann", 1)]));
        await silos.Cluster.Client.GetGrain<IGatewayGrain>(gateway.Id).Retire();
        Assert.Equal(0, (await Room.Presence(1)).Members);
    }

    [Fact]
    public async Task A_room_that_begins_anew_tells_who_has_left_meanwhile_and_names_nobody_who_was_there()
    {
        var one = await GatewayAsync();
        var two = await GatewayAsync();
        await Room.Submit(one.Batch(presence: [new("ann", 2)]));
        await Room.Submit(two.Batch(presence: [new("bob", 1), new("cat", 1)]));
        await using var alive = new Heartbeats(() => Task.WhenAll(RenewLeaseAsync(one), RenewLeaseAsync(two)));
        await KeptAsync("ann", "bob", "cat");
        await BeginAnewAsync(one);

        // Whom nobody has named yet may be there still.
        await Room.Submit(two.Batch(interested: true, presence: [new("cat", 1), new("dan", 1)], complete: true));
        Assert.Equal(4, (await Room.Presence(10)).Members);
        await Room.Submit(one.Batch(interested: true, presence: [new("ann", 2)], complete: true));
        var presence = await Room.Presence(10);
        Assert.Equal([new("ann", 2), new("cat", 1), new("dan", 1)], presence.List.OrderBy(m => m.User));
        Assert.Equal(4, presence.Connections);
        await KeptAsync("ann", "cat", "dan");
        await Eventually.True("bob's leaving is told", () => Told(one).Any(p => p.Left.Contains("bob")));
        Assert.Equal(["ann", "bob", "cat", "dan"], Told(one).SelectMany(p => p.Joined).Order());
        Assert.Equal(["bob"], Told(one).SelectMany(p => p.Left));
        Assert.Equal(3, Told(one)[^1].Members);
    }

    [Fact]
    public async Task The_members_of_a_gateway_that_died_with_the_silo_leave_when_it_is_known_to_be_gone()
    {
        var one = await GatewayAsync();
        var dead = await GatewayAsync();
        await Room.Submit(one.Batch(presence: [new("ann", 1)]));
        await Room.Submit(dead.Batch(presence: [new("bob", 1)]));
        await using (var bothAlive = new Heartbeats(() => Task.WhenAll(RenewLeaseAsync(one), RenewLeaseAsync(dead))))
        {
            await KeptAsync("ann", "bob");
            await BeginAnewAsync(one);
            await Room.Submit(one.Batch(interested: true, presence: [new("ann", 1)], complete: true));
            Assert.Equal(2, (await Room.Presence(10)).Members);
        }

        await using var alive = new Heartbeats(() => RenewLeaseAsync(one));
        await Eventually.True("the lease of the dead one ends", async () => (await Room.Presence(10)).List is [{ User: "ann" }]);
        await Eventually.True("bob's leaving is told", () => Told(one).Any(p => p.Left.Contains("bob")));
    }

    [Fact]
    public async Task A_room_that_names_nobody_keeps_no_names()
    {
        PresenceCount[] many = [.. Enumerable.Range(0, 401).Select(i => new PresenceCount($"user-{i}", 1))];
        var gateway = await GatewayAsync();
        await using var alive = new Heartbeats(() => RenewLeaseAsync(gateway));
        await Room.Submit(gateway.Batch(presence: [new("user-0", 1)]));
        await KeptAsync("user-0");
        await Room.Submit(gateway.Batch(presence: many));
        await KeptAsync();
        await Room.Submit(gateway.Batch(presence: [.. many.Skip(2).Select(m => m with { Connections = 0 })]));
        await KeptAsync("user-0", "user-1");
    }

    [Fact]
    public async Task What_a_Redis_that_was_away_was_not_told_of_is_written_when_it_is_back_with_what_it_has_lost()
    {
        var gateway = await GatewayAsync();
        await using var alive = new Heartbeats(() => RenewLeaseAsync(gateway));
        await Room.Submit(gateway.Batch(presence: [new("ann", 1)]));
        await KeptAsync("ann");
        silos.Redis.Kill();
        await Room.Submit(gateway.Batch(presence: [new("bob", 1)]));
        await Eventually.True("bob's coming is told all the same", () => Told(gateway).Any(p => p.Joined.Contains("bob")));
        await silos.Redis.RestartAsync();
        await Eventually.True("Redis answers", () => silos.Connection.IsAnswering);
        await KeptAsync("ann", "bob");
        Assert.Equal([gateway.Id], await new RedisInterestStore(silos.Connection).ReadAsync(new(ChannelKind.Room, _room)));
    }

    Task<GatewayBatchResult> PublishAsync(RoomGateway gateway, bool byAnswer = true) =>
        Room.Submit(gateway.Batch(publications: [new("message", Payload.Null)], byAnswer: byAnswer));

    async Task<long> RenewLeaseAsync(RoomGateway gateway) => (await silos.Cluster.Client.GetGrain<IGatewayGrain>(gateway.Id).Heartbeat()).Lease;

    /// <summary>As when its silo has died: with what is in the stores, and nothing else.</summary>
    async Task BeginAnewAsync(RoomGateway interested)
    {
        await Room.AsReference<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.True("the next activation asks for declarations", async () =>
        {
            await Room.Presence(0);
            return interested.Events.OfType<DeclarationRequested>().Any();
        });
    }

    /// <summary>Waits until these, and no others, are kept for the room's next activation.</summary>
    Task KeptAsync(params string[] members)
    {
        var kept = new RedisMemberStore(silos.Connection);
        return Eventually.True("the members are kept", async () => (await kept.ReadAsync(new(ChannelKind.Room, _room))).Order().SequenceEqual(members.Order()));
    }

    static List<PresenceChanged> Told(RoomGateway gateway) => [.. gateway.Events.OfType<PresenceChanged>()];

    async Task<RoomGateway> GatewayAsync()
    {
        var gateway = new RoomGateway(await TestGateway.StartAsync(silos.Cluster.Client, "gateway-" + Guid.NewGuid().ToString("n")));
        await Room.Submit(gateway.Batch(interested: true));
        return gateway;
    }

    /// <summary>Gateways that live.</summary>
    sealed class Heartbeats : IAsyncDisposable
    {
        readonly PeriodicTimer _timer = new(TimeSpan.FromMilliseconds(200));
        readonly Task _beating;

        public Heartbeats(Func<Task> beat) => _beating = BeatAsync(beat);

        public async ValueTask DisposeAsync()
        {
            _timer.Dispose();
            await _beating;
        }

        async Task BeatAsync(Func<Task> beat)
        {
            do
            {
                await beat();
            }
            while (await _timer.WaitForNextTickAsync());
        }
    }

    /// <summary>The gateway's end of a mailbox, and what it says to the room.</summary>
    sealed class RoomGateway(TestGateway mailbox)
    {
        public string Id => mailbox.Id;

        public IReadOnlyList<MailboxEvent> Events => [.. mailbox.Batches.SelectMany(b => b.Events)];

        public IReadOnlyList<long> Offsets => [.. Events.OfType<ChannelMessages>().SelectMany(m => m.Messages).Select(m => m.Offset)];

        /// <summary>Deliveries do not return from here on.</summary>
        public void Stop() => mailbox.Stop();

        public void Continue() => mailbox.Continue();

        public GatewayBatch Batch(
            bool? interested = null, Publication[]? publications = null, PresenceCount[]? presence = null, bool complete = false, long number = 0,
            bool byAnswer = false) =>
            new(mailbox.Id, interested, publications ?? [], presence ?? [], complete, Number: number, ByAnswer: byAnswer);
    }
}
