using System.Diagnostics;
using OrleansRealtime.Channels;
using OrleansRealtime.Tests.Redis;

namespace OrleansRealtime.Tests.Channels.Redis;

/// <summary>What the store does while its Redis is away, silent, full or back.</summary>
public sealed class RedisOutageTests
{
    static readonly TimeSpan Timeout = TimeSpan.FromMilliseconds(500);

    readonly ManualTime _time = new();
    readonly ChannelId _channel = ChannelId.User("ann");

    static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Killed_and_started_again_Redis_has_everything_that_was_acknowledged()
    {
        await using var server = await RedisServer.StartAsync(appendOnly: true);
        await using var silo = await ConnectAsync(server);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        long acknowledged = 0;
        for (; acknowledged < 200; acknowledged++)
        {
            await AppendAsync(silo, epoch, acknowledged + 1);
        }

        server.Kill();
        await AssertUnavailableAsync(() => silo.Store.AppendAsync(_channel, epoch, [Message(201)], Cancellation), TimeSpan.FromSeconds(2));
        await AssertUnavailableAsync(() => silo.Store.OpenAsync(_channel, Cancellation), TimeSpan.FromSeconds(2));
        await server.RestartAsync();
        await AvailableAsync(silo);

        Assert.Equal(new(epoch, 200, 1, 0), await silo.Store.OpenAsync(_channel, Cancellation));
        Assert.Equal(200, (await silo.Store.ReadAsync(_channel, epoch, 0, 1_000, int.MaxValue, Cancellation)).Count);
        await AppendAsync(silo, epoch, 201);
    }

    [Fact]
    public async Task A_Redis_that_comes_back_empty_begins_a_new_epoch()
    {
        await using var server = await RedisServer.StartAsync();
        await using var silo = await ConnectAsync(server);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        await AppendAsync(silo, epoch, 1);

        server.Kill();
        await server.RestartAsync();
        await AvailableAsync(silo);

        Assert.Equal(AppendOutcome.Conflict, await silo.Store.AppendAsync(_channel, epoch, [Message(2)], Cancellation));
        Assert.NotEqual(epoch, (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch);
    }

    [Fact]
    public async Task A_silent_Redis_is_waited_for_once_and_found_again_without_being_used()
    {
        await using var server = await RedisServer.StartAsync();
        await using var silo = await ConnectAsync(server);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        await AppendAsync(silo, epoch, 1);

        server.Pause();
        await AssertUnavailableAsync(() => silo.Store.AppendAsync(_channel, epoch, [Message(2)], Cancellation), TimeSpan.FromSeconds(4));
        for (int i = 0; i < 100; i++)
        {
            var refused = silo.Store.OpenAsync(_channel, Cancellation);
            Assert.True(refused.IsCompleted, "A command waits although one has waited in vain.");
            await Assert.ThrowsAsync<ChannelUnavailableException>(() => refused);
        }

        Assert.False(silo.Connection.IsAnswering);
        server.Resume();
        await Eventually.True("Redis answers again", () => silo.Connection.IsAnswering);

        // The append whose answer did not come in time was executed when Redis went on.
        Assert.Equal(new(epoch, 2, 1, 0), await silo.Store.OpenAsync(_channel, Cancellation));
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => silo.Store.OpenAsync(_channel, Cancellation)));
        await AppendAsync(silo, epoch, 3);
    }

    [Fact]
    public async Task A_Redis_that_dies_while_it_is_silent_is_found_again()
    {
        await using var server = await RedisServer.StartAsync(appendOnly: true);
        await using var silo = await ConnectAsync(server);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        await AppendAsync(silo, epoch, 1);

        server.Pause();
        await AssertUnavailableAsync(() => silo.Store.AppendAsync(_channel, epoch, [Message(2)], Cancellation), TimeSpan.FromSeconds(4));
        server.Kill();
        await server.RestartAsync();
        await Eventually.True("Redis answers again", () => silo.Connection.IsAnswering);

        Assert.Equal(epoch, (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch);
    }

    [Fact]
    public async Task A_full_Redis_refuses_appends_whole_and_keeps_what_it_has()
    {
        await using var server = await RedisServer.StartAsync(false, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction");
        await using var silo = await ConnectAsync(server);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        long head = 0;
        var exception = await Assert.ThrowsAsync<ChannelUnavailableException>(async () =>
        {
            for (; head < 10_000; head += 2)
            {
                await AppendAsync(silo, epoch, head + 1, head + 2);
            }
        });

        Assert.Contains("OOM", exception.InnerException!.Message, StringComparison.Ordinal);
        Assert.Equal(new(epoch, head, 1, 0), await silo.Store.OpenAsync(_channel, Cancellation));
        Assert.Equal(head, await CountAsync(silo, epoch));

        // Trimming is possible, and makes room.
        await silo.Store.TrimAsync(_channel, epoch, new(10, TimeSpan.FromDays(1), long.MaxValue), Cancellation);
        await Eventually.True("there is room again", async () =>
        {
            try
            {
                await AppendAsync(silo, epoch, head + 1);
                return true;
            }
            catch (ChannelUnavailableException)
            {
                return false;
            }
        });
        Assert.Equal(new(epoch, head + 1, head - 9, 0), await silo.Store.OpenAsync(_channel, Cancellation));
    }

    [Fact]
    public async Task A_closed_store_is_unavailable()
    {
        await using var server = await RedisServer.StartAsync();
        var silo = await ConnectAsync(server);
        await silo.DisposeAsync();

        await Assert.ThrowsAsync<ChannelUnavailableException>(() => silo.Store.OpenAsync(_channel, Cancellation));
    }

    [Fact]
    public async Task An_append_is_acknowledged_when_a_replica_has_it()
    {
        await using var primary = await RedisServer.StartAsync();
        await using var replica = await StartReplicaAsync(primary);
        await using var silo = await ConnectAsync(primary, replicas: 1);

        await Task.WhenAll(Enumerable.Range(0, 20).Select(async n =>
        {
            var channel = ChannelId.User($"user-{n}");
            string epoch = (await silo.Store.OpenAsync(channel, Cancellation)).Epoch;
            for (int offset = 1; offset <= 20; offset++)
            {
                Assert.Equal(AppendOutcome.Appended, await silo.Store.AppendAsync(channel, epoch, [Message(offset)], Cancellation));
            }
        }));

        // Without a word to its primary any more: what is acknowledged is there already.
        primary.Kill();
        string keys = await replica.CommandAsync("DBSIZE");
        Assert.StartsWith(":40", keys, StringComparison.Ordinal);
        Assert.StartsWith(":20", await replica.CommandAsync("XLEN realtime:{user:user-7}:log"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_append_that_no_replica_has_is_not_acknowledged()
    {
        await using var primary = await RedisServer.StartAsync();
        await using var replica = await StartReplicaAsync(primary);
        await using var silo = await ConnectAsync(primary, replicas: 1);
        string epoch = (await silo.Store.OpenAsync(_channel, Cancellation)).Epoch;
        await AppendAsync(silo, epoch, 1);

        replica.Pause();
        var append = silo.Store.AppendAsync(_channel, epoch, [Message(2)], Cancellation);

        // What does not append does not wait either.
        Assert.Equal(1, (await silo.Store.ReadAsync(_channel, epoch, 0, 1, int.MaxValue, Cancellation))[0].Offset);
        Assert.False(append.IsCompleted);
        await AssertUnavailableAsync(() => append, TimeSpan.FromSeconds(4));
        replica.Resume();
        await Eventually.True("an append is acknowledged again", async () =>
        {
            try
            {
                long head = (await silo.Store.OpenAsync(_channel, Cancellation)).Head;
                return await silo.Store.AppendAsync(_channel, epoch, [Message(head + 1)], Cancellation) == AppendOutcome.Appended;
            }
            catch (ChannelUnavailableException)
            {
                return false;
            }
        });
    }

    static async Task<RedisServer> StartReplicaAsync(RedisServer primary)
    {
        var replica = await RedisServer.StartAsync(false, "--replicaof", "127.0.0.1", $"{primary.Port}");

        // For its primary a replica is "online" before that has sent it anything but the snapshot.
        await Eventually.True(
            "the replica is connected",
            async () => (await replica.CommandAsync("INFO replication")).Contains("master_link_status:up", StringComparison.Ordinal),
            () => replica.Log);
        return replica;
    }

    static async Task AssertUnavailableAsync(Func<Task> call, TimeSpan within)
    {
        long start = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<ChannelUnavailableException>(call);
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, within);
    }

    Task<ConnectedStore> ConnectAsync(RedisServer server, int replicas = 0) =>
        ConnectedStore.ConnectAsync(server.ConnectionString, _time, Timeout, replicas);

    static Task AvailableAsync(ConnectedStore silo) => Eventually.True("Redis is available again", async () =>
    {
        try
        {
            await silo.Store.OpenAsync(ChannelId.User("somebody"), Cancellation);
            return true;
        }
        catch (ChannelUnavailableException)
        {
            return false;
        }
    });

    async Task AppendAsync(ConnectedStore silo, string epoch, params long[] offsets) =>
        Assert.Equal(AppendOutcome.Appended, await silo.Store.AppendAsync(_channel, epoch, [.. offsets.Select(Message)], Cancellation));

    async Task<long> CountAsync(ConnectedStore silo, string epoch)
    {
        long after = 0;
        while (await silo.Store.ReadAsync(_channel, epoch, after, 500, int.MaxValue, Cancellation) is { Count: > 0 } page)
        {
            Assert.Equal(after + 1, page[0].Offset);
            after = page[^1].Offset;
        }

        return after;
    }

    Message Message(long offset) =>
        new(offset, _time.Milliseconds, "said", new(PayloadKind.Binary, new byte[2_000]), "ann", null, Delivery.Durable, null);
}
