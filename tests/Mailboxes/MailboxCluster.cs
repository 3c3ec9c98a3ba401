using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Persistence;
using Orleans.TestingHost;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;
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

    public static async Task<MailboxCluster> StartAsync(short silos)
    {
        var redis = await RedisServer.StartAsync();
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([new("Realtime:Redis:ConnectionString", redis.ConnectionString)])
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
            silo.AddMailboxes();
            silo.AddStartupTask(static (services, _) => services.GetRequiredService<RedisConnection>().GetAsync(), ServiceLifecycleStage.First);
        });
        builder.ConfigureClient(client => client.AddMailboxes());
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return new(redis, cluster);
    }

    /// <summary>Records that pub-sub keeps of mailboxes.</summary>
    public int PubSubRecords => Server.Keys(pattern: "realtime:orleans:*:pubsub").Count();

    IServer Server => Silo<RedisConnection>().Database.Multiplexer.GetServers().Single();

    /// <summary>The number of the silo that has the gateway's mailbox.</summary>
    public async Task<int> SiloOfAsync(TestGateway gateway)
    {
        var address = await Cluster.Client.GetGrain<IManagementGrain>(0).GetActivationAddress(Cluster.Client.GetGrain<IMailboxGrain>(gateway.Id));
        return Enumerable.Range(0, Cluster.Silos.Count).Single(silo => Cluster.Silos[silo].SiloAddress.Equals(address));
    }

    /// <summary>A part of the silo with this number.</summary>
    public T Silo<T>(int number = 0)
        where T : notnull => Cluster.GetSiloServiceProvider(Cluster.Silos[number].SiloAddress).GetRequiredService<T>();

    /// <param name="clients">Whose they are, one after the other. A client takes one delivery at a time, for all its streams.</param>
    public async Task<List<TestGateway>> GatewaysAsync(int count, params IClusterClient[] clients)
    {
        var gateways = new List<TestGateway>();
        for (int i = 0; i < count; i++)
        {
            gateways.Add(await TestGateway.StartAsync(clients.ElementAtOrDefault(i) ?? Cluster.Client, $"gateway-{i}"));
        }

        return gateways;
    }

    /// <summary>A gateway that has received event 1, so that its mailbox is somewhere.</summary>
    public async Task<TestGateway> ReceivingGatewayAsync()
    {
        var gateway = await TestGateway.StartAsync(Cluster.Client, "gateway");
        Silo<Outboxes>().Post(gateway.Id, TestGateway.Event(1));
        await Eventually.True("it has come", () => gateway.Offsets.Count == 1);
        return gateway;
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await Redis.DisposeAsync();
    }
}
