using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Persistence;
using Orleans.TestingHost;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Mailboxes.Redis;
using OrleansRealtime.Redis;
using OrleansRealtime.Tests.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Tests.Mailboxes;

/// <summary>Silos with the mailboxes of a cluster and nothing else of it, and the Redis that they share.</summary>
sealed class MailboxCluster : IAsyncDisposable
{
    MailboxCluster(RedisServer redis, InProcessTestCluster cluster) => (Redis, Cluster) = (redis, cluster);

    public RedisServer Redis { get; }

    public InProcessTestCluster Cluster { get; }

    public static async Task<MailboxCluster> StartAsync(short silos, bool appendOnly = false, params (string Setting, string Value)[] settings)
    {
        var redis = await RedisServer.StartAsync(appendOnly);
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([
                new("Realtime:Redis:ConnectionString", redis.ConnectionString),
                .. settings.Select(s => KeyValuePair.Create(s.Setting, (string?)s.Value))])
            .Build();
        var builder = new InProcessTestClusterBuilder(silos);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddOptions<RedisOptions>().Bind(configuration.GetSection(RedisOptions.Section));
            silo.Services.AddSingleton<RedisConnection>();
            silo.Services.AddOptions<GatewayLeaseOptions>();
            silo.Services.AddSingleton<Outboxes>();
            silo.Services.AddSingleton<MailboxSubscriptions>();
            silo.Services.TryAddSingleton(TimeProvider.System);
            silo.Services.AddOptions<RedisStorageOptions>("PubSubStore").Configure<RedisConnection>((storage, connection) =>
            {
                storage.ConfigurationOptions = ConfigurationOptions.Parse(redis.ConnectionString);
                storage.CreateMultiplexer = async _ => (await connection.GetAsync(), true);
                storage.GetStorageKey = (_, grain) => $"realtime:orleans:{{{grain}}}:pubsub";
                storage.DeleteStateOnClear = true;
            });
            silo.AddRedisGrainStorage("PubSubStore");
            silo.AddRedisMailboxes(configuration);
            silo.AddStartupTask(static (services, _) => services.GetRequiredService<RedisConnection>().GetAsync(), ServiceLifecycleStage.First);
        });
        builder.ConfigureClient(client => client.AddRedisMailboxes(configuration));
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new(redis, cluster);
    }

    /// <summary>Records that pub-sub keeps of mailboxes.</summary>
    public int PubSubRecords => Server.Keys(pattern: "realtime:orleans:*:pubsub").Count();

    IDatabase Database => Silo<RedisConnection>().Database;

    IServer Server => Database.Multiplexer.GetServers().Single();

    /// <summary>Entries in all queues.</summary>
    public async Task<long> QueuedAsync()
    {
        long length = 0;
        for (int queue = 0; queue < 8; queue++)
        {
            length += await Database.StreamLengthAsync($"realtime:{{mailbox:{queue}}}:queue");
        }

        return length;
    }

    /// <summary>The number of the silo that reads the queue.</summary>
    public int? ReaderOf(int queue)
    {
        var readers = Enumerable.Range(0, Cluster.Silos.Count).Where(silo => Silo<MailboxLanes>(silo).Queues.Contains(queue)).ToList();
        return readers.Count == 1 ? readers[0] : null;
    }

    /// <summary>A part of the silo with this number.</summary>
    public T Silo<T>(int number = 0)
        where T : notnull => Cluster.GetSiloServiceProvider(Cluster.Silos[number].SiloAddress).GetRequiredService<T>();

    /// <summary>Gateways whose mailboxes are in the same queue.</summary>
    /// <param name="clients">Whose they are, one after the other. A client takes one delivery at a time, for all its streams.</param>
    public async Task<List<TestGateway>> GatewaysOfOneQueueAsync(int count, params IClusterClient[] clients)
    {
        var producers = Silo<MailboxProducers>();
        string queue = producers.QueueOf(Mailbox.StreamOf("gateway-0"));
        var gateways = new List<TestGateway>();
        for (int i = 0; gateways.Count < count; i++)
        {
            if (producers.QueueOf(Mailbox.StreamOf($"gateway-{i}")) == queue)
            {
                gateways.Add(await TestGateway.StartAsync(clients.ElementAtOrDefault(gateways.Count) ?? Cluster.Client, $"gateway-{i}"));
            }
        }

        return gateways;
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await Redis.DisposeAsync();
    }
}
