using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Tests.Redis;

namespace OrleansRealtime.Tests.Channels.Redis;

public sealed class RedisInterestStoreTests
{
    readonly ChannelId _channel = ChannelId.User("ann");

    [Fact]
    public async Task The_gateways_that_are_interested_are_remembered_for_a_day()
    {
        await using var server = await RedisServer.StartAsync();
        await using var silo = await ConnectedStore.ConnectAsync(server.ConnectionString, TimeProvider.System);
        var store = new RedisInterestStore(silo.Connection);
        Assert.Empty(await store.ReadAsync(_channel));

        await store.SetAsync(_channel, "g1", interested: true);
        await store.SetAsync(_channel, "g2", interested: true);
        await store.SetAsync(_channel, "g2", interested: true);
        await store.SetAsync(ChannelId.Namespace("/"), "g3", interested: true);
        await store.SetAsync(_channel, "g1", interested: false);
        await store.SetAsync(_channel, "g4", interested: false);

        Assert.Equal(["g2"], await store.ReadAsync(_channel));
        Assert.Equal(["g3"], await store.ReadAsync(ChannelId.Namespace("/")));
        var left = await silo.Database.KeyTimeToLiveAsync("realtime:{user:ann}:gateways");
        Assert.InRange(left!.Value, TimeSpan.FromHours(23), TimeSpan.FromHours(24));
    }

    [Fact]
    public async Task While_Redis_is_away_the_interest_is_not_available()
    {
        await using var server = await RedisServer.StartAsync();
        await using var silo = await ConnectedStore.ConnectAsync(server.ConnectionString, TimeProvider.System);
        var store = new RedisInterestStore(silo.Connection);
        server.Kill();

        await Assert.ThrowsAsync<ChannelUnavailableException>(() => store.ReadAsync(_channel));
        await Assert.ThrowsAsync<ChannelUnavailableException>(() => store.SetAsync(_channel, "g1", interested: true));
    }
}
