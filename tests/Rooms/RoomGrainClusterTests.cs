using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Orleans.TestingHost;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Gateways;
using OrleansRealtime.Hosting;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Rooms;
using OrleansRealtime.Tests.Mailboxes;

namespace OrleansRealtime.Tests.Rooms;

/// <summary>Two silos that share a store, and a gateway that is their client.</summary>
public sealed class TwoSilos : IAsyncLifetime
{
    readonly ServiceProvider _store = new ServiceCollection()
        .AddLogging()
        .AddSqliteChannelStore(new ConfigurationBuilder().AddInMemoryCollection([new("Realtime:Store:DataFolder", ":memory:")]).Build())
        .BuildServiceProvider();

    internal InProcessTestCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _store.GetRequiredService<SqliteChannelStore>().Open();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            [new("Realtime:Gateways:Lease", "00:00:02"), new("Realtime:Channels:PresenceDeliveries", "200")]).Build();
        var builder = new InProcessTestClusterBuilder(2);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddRealtimeGrains(configuration);
            silo.Services.AddSingleton(_store.GetRequiredService<IChannelStore>());
            silo.Services.AddSingleton<IInterestStore, NoInterestStore>();
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
        await Eventually.True("bob's leaving is told", () => two.Events.OfType<PresenceChanged>().Any(p => p.Left.Contains("bob")));
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

        await Eventually.True("all are told of", () => Told().SelectMany(p => p.Joined).Distinct().Count() == users, () => Told().Count);
        Assert.Equal(users, Told().Sum(p => p.Joined.Count));
        Assert.Equal(users, Told()[^1].Members);
        Assert.True(Told().Count < users / 2, $"{Told().Count} events");

        List<PresenceChanged> Told() => [.. gateway.Events.OfType<PresenceChanged>()];
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
            "both are told of", () => gateway.Events.OfType<PresenceChanged>().LastOrDefault() is { } told && told.Left.Contains("ann") && told.Joined.Contains("user-0"));
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

    Task<GatewayBatchResult> PublishAsync(RoomGateway gateway, bool byAnswer = true) =>
        Room.Submit(gateway.Batch(publications: [new("message", Payload.Null)], byAnswer: byAnswer));

    async Task<long> RenewLeaseAsync(RoomGateway gateway) => (await silos.Cluster.Client.GetGrain<IGatewayGrain>(gateway.Id).Heartbeat()).Lease;

    async Task<RoomGateway> GatewayAsync()
    {
        var gateway = new RoomGateway(await TestGateway.StartAsync(silos.Cluster.Client, "gateway-" + Guid.NewGuid().ToString("n")));
        await Room.Submit(gateway.Batch(interested: true));
        return gateway;
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
