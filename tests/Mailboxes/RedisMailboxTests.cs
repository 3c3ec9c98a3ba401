using OrleansRealtime.Mailboxes;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Tests.Mailboxes;

public sealed class RedisMailboxTests
{
    [Fact]
    public async Task What_two_silos_post_reaches_each_gateway_in_the_order_of_its_outbox()
    {
        await using var cluster = await MailboxCluster.StartAsync(2);
        var gateways = await cluster.GatewaysOfOneQueueAsync(2);
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
            Assert.InRange(gateway.Batches.Count, 2, 999);
        }

        string[] queues = [.. Enumerable.Range(0, 8).Select(q => $"realtime:{{mailbox:{q}}}:queue")];
        var database = cluster.Silo<RedisConnection>().Database;
        await Eventually.True("what was delivered is removed", async () =>
        {
            long length = 0;
            foreach (string queue in queues)
            {
                length += await database.StreamLengthAsync(queue);
            }

            return length == 0;
        });
    }
}
