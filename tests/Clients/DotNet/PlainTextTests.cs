using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansRealtime.Client.Storage;
using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Processes;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>What .NET clients encrypt is nowhere in a cluster: not on its way to Redis, not in what Redis keeps, not in the logs of the processes.</summary>
[Collection(ClusterTests.Name)]
public sealed class PlainTextTests(SharedCluster shared)
{
    const string Secret = "timbuktu-at-midnight", Control = "TIMBUKTU-IN-THE-CLEAR";

    readonly RealtimeCluster _cluster = shared.Cluster;

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_plain_text_is_nowhere_in_redis_and_the_logs()
    {
        await using var monitor = await MonitorAsync();
        await using var clients = new TestClients();
        using var rest = new RestApi(_cluster.Addresses[0]);
        var ann = new Device(clients.Create(_cluster.Addresses[0], await rest.TokenAsync("plain-ann")), false, new MemoryStore());
        var bob = new Device(clients.Create(_cluster.Addresses[1], await rest.TokenAsync("plain-bob")), false, new MemoryStore());
        await ann.Client.ConnectAsync(Stop);
        await bob.Client.ConnectAsync(Stop);
        await ann.Encryption.Room("plain").JoinAsync(cancellationToken: Stop);
        await bob.Encryption.Room("plain").JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(bob.Encryption.Room("plain").ReadAllAsync(cancellationToken: Stop));
        await using var inbox = new Reading(bob.Client.Inbox.ReadAllAsync(cancellationToken: Stop));
        await ann.Encryption.Room("plain").SendAsync(new { Text = Secret }, cancellationToken: Stop);
        await ann.Encryption.Room("plain").SendAsync(Secret, new() { Delivery = "latest", Key = "k" }, Stop);
        await ann.Encryption.Direct("plain-bob").SendAsync(Secret, cancellationToken: Stop);
        await reading.TextsAsync(2);
        Assert.Equal([Secret], await inbox.TextsAsync(1));

        // To know that it would have been found.
        var carol = await clients.ConnectAsync(_cluster.Addresses[1], await rest.TokenAsync("plain-carol"));
        await carol.Direct("plain-bob").SendAsync(Control, cancellationToken: Stop);
        await monitor.SeesAsync(Control);

        Assert.DoesNotContain(Secret, monitor.Seen, StringComparison.Ordinal);
        Has("the append-only file", FilesOf("appendonlydir"));
        await _cluster.Redis.CommandAsync("CONFIG SET rdbcompression no");
        Has("the values", await ValuesAsync());
        Assert.StartsWith("+OK", await _cluster.Redis.CommandAsync("SAVE"), StringComparison.Ordinal);
        await _cluster.Redis.CommandAsync("CONFIG SET rdbcompression yes");
        Has("the dump", FilesOf("."));
        Assert.All(_cluster.Nodes, node => Assert.DoesNotContain(Secret, node.Output + node.Errors, StringComparison.Ordinal));
        Assert.DoesNotContain(Secret, _cluster.Redis.Log, StringComparison.Ordinal);

        static void Has(string what, string bytes)
        {
            Assert.True(bytes.Contains(Control, StringComparison.Ordinal), $"What is in the clear is in {what}.");
            Assert.False(bytes.Contains(Secret, StringComparison.Ordinal), $"What is encrypted is in {what}.");
        }
    }

    string FilesOf(string folder) => string.Concat(
        Directory.EnumerateFiles(Path.Combine(_cluster.Redis.Folder, folder)).Select(file => Encoding.Latin1.GetString(File.ReadAllBytes(file))));

    /// <summary>DUMP of every key.</summary>
    async Task<string> ValuesAsync()
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(_cluster.Redis.ConnectionString);
        var values = new StringBuilder();
        await foreach (var key in redis.GetServers()[0].KeysAsync().WithCancellation(Stop))
        {
            values.Append(Encoding.Latin1.GetString(await redis.GetDatabase().KeyDumpAsync(key) ?? []));
        }

        return values.ToString();
    }

    async Task<Monitor> MonitorAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _cluster.Redis.Port, Stop);
        await client.GetStream().WriteAsync("MONITOR\r\n"u8.ToArray(), Stop);
        var monitor = new Monitor(client);
        await monitor.SeesAsync("+OK");
        return monitor;
    }

    /// <summary>All commands that Redis is given.</summary>
    sealed class Monitor : IAsyncDisposable
    {
        readonly TcpClient _client;
        readonly StringBuilder _seen = new();
        readonly Task _reading;

        public Monitor(TcpClient client)
        {
            _client = client;
            _reading = ReadAsync();
        }

        public string Seen
        {
            get
            {
                lock (_seen)
                {
                    return _seen.ToString();
                }
            }
        }

        public Task SeesAsync(string text) => Eventually.True($"Redis has been given '{text}'", () => Seen.Contains(text, StringComparison.Ordinal));

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            await _reading;
        }

        async Task ReadAsync()
        {
            byte[] bytes = new byte[65536];
            try
            {
                while (await _client.GetStream().ReadAsync(bytes, CancellationToken.None) is > 0 and int length)
                {
                    lock (_seen)
                    {
                        _seen.Append(Encoding.Latin1.GetString(bytes, 0, length));
                    }
                }
            }
            catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // That is its end.
            }
        }
    }
}
