using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Tests.Mailboxes;

public sealed class MailboxTests
{
    [Fact]
    public async Task What_two_silos_post_reaches_each_gateway_in_the_order_of_its_outbox()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateways = await cluster.GatewaysAsync(2);
        for (int i = 1; i <= 500; i++)
        {
            foreach (var gateway in gateways)
            {
                cluster.Silo<Outboxes>(0).Post(gateway.Id, TestGateway.Event(i));
                cluster.Silo<Outboxes>(1).Post(gateway.Id, TestGateway.Event(1000 + i));
            }
        }

        foreach (var gateway in gateways)
        {
            await Eventually.True("all events have come", () => gateway.Offsets.Count >= 1000, () => gateway.Offsets.Count);
            Assert.Equal(Enumerable.Range(1, 500).Select(i => (long)i), gateway.Offsets.Where(o => o <= 1000));
            Assert.Equal(Enumerable.Range(1001, 500).Select(i => (long)i), gateway.Offsets.Where(o => o > 1000));
            Assert.False(gateway.Lost);

            // What waited while a send was under way left together.
            Assert.InRange(gateway.Batches.Count, 2, 999);
            foreach (var outbox in gateway.Batches.GroupBy(b => b.Outbox))
            {
                Assert.Equal(Enumerable.Range(1, outbox.Count()).Select(i => (long)i), outbox.Select(b => b.Sequence));
            }
        }
    }

    [Fact]
    public async Task Only_the_silo_that_has_the_mailbox_can_do_without_calling_its_grain()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateway = await cluster.ReceivingGatewayAsync();
        int here = await cluster.SiloOfAsync(gateway);
        Task? Post(int silo, long offset) =>
            cluster.Silo<MailboxLanes>(silo).TryPostHere(Mailbox.StreamOf(gateway.Id), [new([TestGateway.Event(offset)], Lost: false)]);

        Assert.Null(Post(1 - here, 2));
        await Post(here, 3)!;
        Assert.Equal([1, 3], gateway.Offsets);
    }

    [Fact]
    public async Task A_batch_of_a_megabyte_arrives_as_it_was_sent()
    {
        await using var cluster = await MailboxCluster.StartAsync(1);
        var gateway = Assert.Single(await cluster.GatewaysAsync(1));
        byte[] data = new byte[60_000];
        Random.Shared.NextBytes(data);
        var message = new Message(1, 2, "event", new Payload(PayloadKind.Binary, data), "ann", "id", Delivery.Durable, null);
        cluster.Silo<Outboxes>().Post(gateway.Id, new ChannelMessages(new ChannelId(ChannelKind.Room, "/:lobby"), "epoch", new([.. Enumerable.Repeat(message, 20)])));
        await Eventually.True("it has come", () => gateway.Batches.Count == 1);
        var messages = Assert.IsType<ChannelMessages>(gateway.Batches[0].Events[0]).Messages;
        Assert.Equal(20, messages.Count);
        Assert.All(messages, m => Assert.Equal(data, m.Data.Bytes));
    }

    [Fact]
    public async Task Several_events_of_one_call_arrive_as_several()
    {
        await using var cluster = await MailboxCluster.StartAsync(1);
        var gateway = Assert.Single(await cluster.GatewaysAsync(1));
        var stream = cluster.Silo<IServiceProvider>().GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName)
            .GetStream<MailboxBatch>(Mailbox.StreamOf(gateway.Id));
        await stream.OnNextBatchAsync(Enumerable.Range(1, 3).Select(i => new MailboxBatch([TestGateway.Event(i)], Lost: false)));
        await Eventually.True("all have come", () => gateway.Offsets.Count == 3);
        Assert.Equal([1, 2, 3], gateway.Offsets);
        Assert.Equal(3, gateway.Batches.Count);
    }

    [Fact]
    public async Task A_gateway_that_takes_nothing_delays_no_other_and_what_waited_for_it_comes_together()
    {
        await using var cluster = await MailboxCluster.StartAsync(1);
        var gateways = await cluster.GatewaysAsync(2, cluster.Silo<IClusterClient>());
        var (stopped, other) = (gateways[0], gateways[1]);

        // Stopped before its first event, and so while its stream registers, too.
        stopped.Stop();
        for (int i = 1; i <= 300; i++)
        {
            cluster.Silo<Outboxes>().Post(stopped.Id, TestGateway.Event(i));
            cluster.Silo<Outboxes>().Post(other.Id, TestGateway.Event(i));
            await Eventually.True("the other one gets it", () => other.Offsets.Count == i, () => other.Offsets.Count);
        }

        stopped.Continue();
        await Eventually.True("it has the newest", () => stopped.Offsets is [.., 300], () => stopped.Offsets.Count);
        Assert.Equal(Enumerable.Range(1, 300).Select(i => (long)i), stopped.Offsets);
        Assert.InRange(stopped.Batches.Count, 2, 4);
    }

    [Fact]
    public async Task When_a_subscription_is_removed_its_lane_is_used_again_and_pub_sub_forgets_the_mailbox()
    {
        await using var cluster = await MailboxCluster.StartAsync(1);
        var lanes = cluster.Silo<MailboxLanes>();
        for (int i = 1; i <= 3; i++)
        {
            string id = $"gateway-{i}";
            var gateway = await TestGateway.StartAsync(cluster.Cluster.Client, id);
            cluster.Silo<Outboxes>().Post(id, TestGateway.Event(1));
            await Eventually.True("it has come", () => gateway.Offsets.Count == 1);
            Assert.Equal(1, cluster.PubSubRecords);

            await cluster.Silo<MailboxSubscriptions>().RemoveAsync(id);
            await Eventually.True("the record is deleted", () => cluster.PubSubRecords == 0);
            Assert.Single(lanes.GetMyQueues());

            // Nobody is there: dropped, and it brings nothing back.
            cluster.Silo<Outboxes>().Post(id, TestGateway.Event(2));
            await cluster.Silo<Outboxes>().WhenSentAsync([id]);
            Assert.Equal(0, cluster.PubSubRecords);

            if (i == 3)
            {
                // It was alive after all, and subscribes again.
                await gateway.SubscribeAsync();
                await Eventually.True("it receives again", () =>
                {
                    cluster.Silo<Outboxes>().Post(id, TestGateway.Event(3));
                    return gateway.Offsets.Contains(3);
                });
            }
        }
    }

    [Fact]
    public async Task However_subscriptions_come_and_go_the_gateway_gets_what_is_posted_after_its_newest()
    {
        const int rounds = 150;
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateway = await TestGateway.StartAsync(cluster.Cluster.Client, "gateway");
        var newest = await gateway.SubscribeAsync();
        var subscriptions = cluster.Silo<MailboxSubscriptions>();
        for (int round = 1; round <= rounds; round++)
        {
            if (round % 2 == 0)
            {
                // A gateway that has heard nothing for a while.
                var former = newest;
                newest = await gateway.SubscribeAsync();
                await former.UnsubscribeAsync();
            }
            else
            {
                // One whose lease ends just when it is back; what was removed with the others is noticed by the silence that follows.
                var removed = subscriptions.RemoveAsync(gateway.Id);
                newest = await gateway.SubscribeAsync();
                await removed;
                if (!await subscriptions.AnyAsync(Mailbox.StreamOf(gateway.Id)))
                {
                    newest = await gateway.SubscribeAsync();
                }
            }

            for (int silo = 0; silo < 2; silo++)
            {
                int offset = (2 * round) + silo;
                await Eventually.True(
                    $"what silo {silo} has posted in round {round} has come",
                    () =>
                    {
                        cluster.Silo<Outboxes>(silo).Post(gateway.Id, TestGateway.Event(offset));
                        return gateway.Offsets.Contains(offset);
                    });
            }
        }
    }

    [Fact]
    public async Task While_Redis_is_away_events_flow()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateway = await cluster.ReceivingGatewayAsync();

        cluster.Redis.Kill();
        cluster.Silo<Outboxes>(0).Post(gateway.Id, TestGateway.Event(2));
        cluster.Silo<Outboxes>(1).Post(gateway.Id, TestGateway.Event(3));
        await Eventually.True("both have come", () => gateway.Offsets.Count == 3);
        Assert.False(gateway.Lost);
    }

    [Fact]
    public async Task When_the_silo_with_the_mailbox_dies_it_goes_on_in_another_and_the_gateway_can_tell_what_was_lost()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateway = await cluster.ReceivingGatewayAsync();
        int dying = await cluster.SiloOfAsync(gateway);
        var outboxes = cluster.Silo<Outboxes>(1 - dying);
        int posted = 1;
        for (; posted < 200; posted++)
        {
            outboxes.Post(gateway.Id, TestGateway.Event(posted + 1));
        }

        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[dying], TestContext.Current.CancellationToken);
        for (; posted < 400; posted++)
        {
            outboxes.Post(gateway.Id, TestGateway.Event(posted + 1));
        }

        await gateway.HasAllOrWasToldAsync(400);
    }

    [Fact]
    public async Task When_the_silo_with_the_mailbox_stops_nothing_is_lost_without_the_gateway_being_told()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateway = await cluster.ReceivingGatewayAsync();
        int stopping = await cluster.SiloOfAsync(gateway);
        var outboxes = cluster.Silo<Outboxes>(1 - stopping);
        var stopped = cluster.Cluster.StopSiloAsync(cluster.Cluster.Silos[stopping], TestContext.Current.CancellationToken);
        int posted = 1;
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        while (!stopped.IsCompleted)
        {
            outboxes.Post(gateway.Id, TestGateway.Event(++posted));
            await pace.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        await stopped;
        outboxes.Post(gateway.Id, TestGateway.Event(++posted));
        await gateway.HasAllOrWasToldAsync(posted);
    }
}
