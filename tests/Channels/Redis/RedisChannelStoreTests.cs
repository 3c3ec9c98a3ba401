using OrleansRealtime.Channels;
using OrleansRealtime.Redis;
using OrleansRealtime.Tests.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Channels.Redis;

public sealed class RedisChannelStoreTests(SharedRedis redis) : ChannelStoreContract, IClassFixture<SharedRedis>, IAsyncLifetime
{
    static readonly Retention Day = new(1_000, TimeSpan.FromDays(1), long.MaxValue);

    ConnectedStore _silo = null!;

    private protected override IChannelStore Store => _silo.Store;

    static RedisKeys Keys => new("realtime");

    RedisKey[] AllKeys => [Keys.Position(Channel), Keys.Log(Channel), Keys.Latest(Channel), Keys.LatestOrder(Channel)];

    public async ValueTask InitializeAsync() => _silo = await ConnectedStore.ConnectAsync(redis.Server.ConnectionString, Time);

    public ValueTask DisposeAsync() => _silo.DisposeAsync();

    [Fact]
    public async Task An_owner_that_has_been_overtaken_is_refused()
    {
        await using var other = await ConnectedStore.ConnectAsync(redis.Server.ConnectionString, Time);
        string epoch = await Open();
        await Append(epoch, Durable(1), Latest("a", 1));
        Assert.Equal(new(epoch, 1, 1, 1), await other.Store.OpenAsync(Channel, Cancellation));
        Assert.Equal(AppendOutcome.Appended, await other.Store.AppendAsync(Channel, epoch, [Durable(2), Latest("a", 2)], Cancellation));

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(2)], Cancellation));
        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Latest("b", 2)], Cancellation));
        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(3), Latest("b", 2)], Cancellation));
        Assert.Equal(new(epoch, 2, 1, 2), await Store.OpenAsync(Channel, Cancellation));
    }

    [Fact]
    public async Task A_log_that_is_gone_begins_a_new_epoch()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2), Latest("a", 1));
        await _silo.Database.KeyDeleteAsync(Keys.Log(Channel));

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(3), Latest("a", 2)], Cancellation));
        Assert.False(await _silo.Database.KeyExistsAsync(Keys.Log(Channel)));
        await AssertBeginsAnew(epoch);
    }

    [Fact]
    public async Task A_position_that_is_gone_begins_a_new_epoch()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2), Latest("a", 1));
        await _silo.Database.KeyDeleteAsync(Keys.Position(Channel));

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(3)], Cancellation));
        Assert.Empty(await Read(epoch));
        await AssertBeginsAnew(epoch);
    }

    [Fact]
    public async Task A_log_that_is_ahead_of_its_position_begins_a_new_epoch()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1));
        await _silo.Database.StreamAddAsync(Keys.Log(Channel), "m", "x", "2-0");

        await AssertBeginsAnew(epoch);
    }

    [Fact]
    public async Task A_flushed_Redis_begins_a_new_epoch()
    {
        await using var server = await RedisServer.StartAsync();
        await using var silo = await ConnectedStore.ConnectAsync(server.ConnectionString, Time);
        string epoch = (await silo.Store.OpenAsync(Channel, Cancellation)).Epoch;
        await silo.Store.AppendAsync(Channel, epoch, [Durable(1)], Cancellation);
        await server.CommandAsync("FLUSHALL");

        Assert.Equal(AppendOutcome.Conflict, await silo.Store.AppendAsync(Channel, epoch, [Durable(2)], Cancellation));
        var anew = await silo.Store.OpenAsync(Channel, Cancellation);
        Assert.NotEqual(epoch, anew.Epoch);
        Assert.Equal(new(anew.Epoch, 0, 1, 0), anew);
    }

    [Fact]
    public async Task Scripts_that_Redis_has_forgotten_are_sent_again()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1));
        await redis.Server.CommandAsync("SCRIPT FLUSH");

        await Append(epoch, Durable(2));
        Assert.Equal([1, 2], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task A_key_of_another_type_is_a_defect_and_not_an_outage()
    {
        await _silo.Database.StringSetAsync(Keys.Position(Channel), "x");

        await Assert.ThrowsAsync<RedisServerException>(() => Store.OpenAsync(Channel, Cancellation));
    }

    [Fact]
    public async Task Everything_of_a_channel_expires_unless_it_is_trimmed()
    {
        string epoch = await Open();
        Assert.Equal(1, Math.Round(await DaysLeft(Keys.Position(Channel)), 2));

        await Append(epoch, Durable(1), Latest("a", 1));
        foreach (var key in AllKeys)
        {
            Assert.Equal(1, Math.Round(await DaysLeft(key), 2));
        }

        await Store.TrimAsync(Channel, epoch, Day with { Age = TimeSpan.FromDays(7) }, Cancellation);
        await Open();
        await Append(epoch, Durable(2), Latest("b", 2));
        foreach (var key in AllKeys)
        {
            Assert.Equal(14, Math.Round(await DaysLeft(key), 2));
        }

        await Store.TrimAsync(Channel, epoch, Day with { Age = TimeSpan.FromMinutes(1) }, Cancellation);
        Assert.Equal(1, Math.Round(await DaysLeft(Keys.Log(Channel)), 2));
    }

    [Fact]
    public async Task Trimming_finds_the_first_message_of_a_long_log_that_is_within_all_limits()
    {
        string epoch = await Open();
        for (int i = 0; i < 1_000; i += 100)
        {
            await Append(epoch, [.. Enumerable.Range(i + 1, 100).Select(n => Durable(n))]);
            Time.Advance(TimeSpan.FromMinutes(1));
        }

        int size = Durable(1).Size;
        Assert.Equal(201, await Store.TrimAsync(Channel, epoch, Day with { Age = TimeSpan.FromMinutes(8) }, Cancellation));
        Assert.Equal(778, await Store.TrimAsync(Channel, epoch, Day with { Bytes = (223 * size) + 5 }, Cancellation));
        Assert.Equal(901, await Store.TrimAsync(Channel, epoch, new(150, TimeSpan.FromMinutes(1), 120 * size), Cancellation));
        Assert.Equal(new(epoch, 1_000, 901, 0), await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal(Enumerable.Range(901, 100).Select(i => (long)i), Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task More_latest_values_than_a_script_may_unpack_are_read_and_trimmed()
    {
        string epoch = await Open();
        for (int i = 0; i < 12_000; i += 1_000)
        {
            await Append(epoch, [.. Enumerable.Range(i + 1, 1_000).Select(n => Latest($"k{n}", n))]);
        }

        Assert.Equal(12_000, (await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation)).Count);
        await Store.TrimAsync(Channel, epoch, Day with { Count = 10 }, Cancellation);
        Assert.Equal(Enumerable.Range(11_991, 10).Select(i => (long)i), Offsets(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation)));
        Assert.Equal(10, await _silo.Database.HashLengthAsync(Keys.Latest(Channel)));
    }

    async Task AssertBeginsAnew(string epoch)
    {
        var anew = await Store.OpenAsync(Channel, Cancellation);
        Assert.NotEqual(epoch, anew.Epoch);
        Assert.Equal(new(anew.Epoch, 0, 1, 0), anew);
        Assert.Empty(await Read(anew.Epoch));
        Assert.Empty(await Store.ReadLatestAsync(Channel, anew.Epoch, 0, Cancellation));
        await Append(anew.Epoch, Durable(1), Latest("a", 1));
    }

    async Task<double> DaysLeft(RedisKey key) => (await _silo.Database.KeyTimeToLiveAsync(key))?.TotalDays ?? 0;
}

public sealed class RedisClusterChannelStoreTests(SharedRedisCluster redis) : ChannelStoreContract, IClassFixture<SharedRedisCluster>, IAsyncLifetime
{
    ConnectedStore _silo = null!;

    private protected override IChannelStore Store => _silo.Store;

    public async ValueTask InitializeAsync() => _silo = await ConnectedStore.ConnectAsync(redis.Server.ConnectionString, Time);

    public ValueTask DisposeAsync() => _silo.DisposeAsync();

    [Fact]
    public async Task Waiting_for_replicas_stops_the_start()
    {
        var refused = await Assert.ThrowsAsync<RedisStartupException>(
            () => ConnectedStore.ConnectAsync(redis.Server.ConnectionString, Time, replicas: 1));

        Assert.Contains("Realtime:Redis:Replicas", refused.Message, StringComparison.Ordinal);
    }
}
