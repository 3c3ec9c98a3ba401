using System.Net.Http.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.PubSub;
using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.Redis;

namespace OrleansRealtime.Tests.PubSub;

/// <summary>Pub/sub between processes, and what becomes of it when something dies.</summary>
[Collection(ClusterTests.Name)]
public sealed class PubSubClusterTests(SharedCluster shared)
{
    readonly RealtimeCluster _cluster = shared.Cluster;
    readonly string _word = "t" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Processes_with_gateways_and_with_silos_get_one_anothers_publications_in_one_order()
    {
        await using var one = await ClusterNode.StartAsync(_cluster);
        await using var two = await ClusterNode.StartAsync(_cluster);
        await using var silo = await ClusterNode.StartAsync(_cluster, silo: true);
        ClusterNode[] nodes = [one, two, silo];
        var received = new List<Received>();
        foreach (var node in nodes)
        {
            received.Add((await Received.SubscribeAsync(node.PubSub, $"{_word}.*")).Received);
        }

        const int rounds = 20;
        for (int i = 0; i < rounds; i++)
        {
            foreach (var node in nodes)
            {
                node.PubSub.Publish($"{_word}.n", i);
            }
        }

        var first = await received[0].NextAsync(rounds * nodes.Length);
        Assert.Equal(first, await received[1].NextAsync(first.Count));
        Assert.Equal(first, await received[2].NextAsync(first.Count));
        Assert.Equal(rounds, first.Distinct().Count());

        // A report is of the publisher's own process; a grain factory's publication reaches all, and so does a client's.
        Assert.Equal(1, (await one.PubSub.PublishAsync($"{_word}.report", 1, Token)).Handlers);
        await silo.Grains.PublishToTopicAsync($"{_word}.grain", 2);
        using var api = new RestApi(_cluster.Addresses[0]);
        using var rest = await api.ClientAsync("ann");
        using var posted = await rest.PostAsJsonAsync($"/api/rooms/topic:{_word}/messages", new { @event = $"{_word}.client", data = 3 }, Token);
        posted.EnsureSuccessStatusCode();
        foreach (var each in received)
        {
            Assert.Equal([$"{_word}.report 1", $"{_word}.grain 2", $"{_word}.client 3"], await each.NextAsync(3));
        }
    }

    [Fact]
    public async Task A_publication_that_reaches_a_former_owner_of_the_channel_is_kept_by_the_present_one()
    {
        await using var node = await ClusterNode.StartAsync(_cluster);
        await using var redis = await ConnectedStore.ConnectAsync(_cluster.Redis.ConnectionString, TimeProvider.System);
        string topic = $"{_word}.n";
        var first = await node.PubSub.PublishAsync(topic, 1, Token);
        await OvertakeAsync(2);
        var third = await node.PubSub.PublishAsync(topic, 3, Token);
        await OvertakeAsync(4);
        var fifth = await node.Grains.PublishToTopicAsync(topic, 5);
        Assert.Equal([(first.Epoch, 3), (first.Epoch, 5)], [(third.Epoch, third.Offset), (fifth.Epoch, fifth.Offset)]);

        // As another activation of the channel's grain would.
        async Task OvertakeAsync(long offset)
        {
            var message = new Message(offset, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(), topic, Payload.Null, null, null, Delivery.Durable, null);
            var room = ChannelId.Room(RoomName.FromQualified($"{RoomName.DefaultNamespace}:{Topic.RoomPrefix}{_word}"));
            Assert.Equal(AppendOutcome.Appended, await redis.Store.AppendAsync(room, first.Epoch, [message], Token));
        }
    }

    [Fact]
    public async Task Subscriptions_go_on_after_the_death_of_all_silos_and_of_Redis_and_miss_nothing_that_was_kept()
    {
        await using var node = await ClusterNode.StartAsync(_cluster);
        await using var publisher = await ClusterNode.StartAsync(_cluster);
        var (received, _) = await Received.SubscribeAsync(node.PubSub, $"{_word}.*");
        int kept = 0;
        await PublishAsync(3);
        await Task.WhenAll(_cluster.Silos.Select(s => s.KillAsync()));
        await Task.WhenAll(_cluster.Silos.Select(s => s.StartAsync()));
        await PublishAsync(3);
        _cluster.Redis.Kill();

        // One that begins now, in a channel that nobody has used, has to wait until there is a log again. What is published to it is refused.
        var late = new Received();
        using var subscription = node.PubSub.Subscribe($"{_word}-late.*", late.HandleAsync);
        try
        {
            await Assert.ThrowsAsync<RealtimeException>(() => node.PubSub.PublishAsync($"{_word}-late.x", 1, Token));
            Assert.False(subscription.Ready.IsCompleted);
        }
        finally
        {
            await _cluster.Redis.RestartAsync();
        }

        await subscription.Ready.WaitAsync(TimeSpan.FromSeconds(60), Token);
        await PublishAsync(3);
        Assert.Equal(Enumerable.Range(1, kept).Select(i => $"{_word}.n {i}"), await received.NextAsync(kept));
        Assert.Equal(1, (await node.PubSub.PublishAsync($"{_word}-late.x", 2, Token)).Handlers);
        Assert.Equal(1, late.Count);
        await _cluster.ReadyAsync();

        // Repeated under its id until it is kept, as anybody would who must not lose it.
        async Task PublishAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                int number = ++kept;
                await Eventually.True("it is kept", async () =>
                {
                    try
                    {
                        await publisher.Grains.PublishToTopicAsync($"{_word}.n", number, $"{_word}-{number}");
                        return true;
                    }
                    catch (Exception exception) when (exception is OrleansException or TimeoutException or ChannelUnavailableException)
                    {
                        return false;
                    }
                });
            }
        }
    }
}
