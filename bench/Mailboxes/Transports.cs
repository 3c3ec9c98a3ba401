using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Clustering.Redis;
using Orleans.Serialization;
using Orleans.Streams;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Redis;
using StackExchange.Redis;

namespace OrleansRealtime.Bench.Mailboxes;

/// <summary>The ways from an outbox to a gateway that are compared.</summary>
static class Transports
{
    public const string Mailboxes = "mailboxes";
    public const string MemoryStreams = "memory-streams";
    public const string PubSub = "redis-pubsub";

    public static readonly string[] All = [Mailboxes, MemoryStreams, PubSub];

    public static HostApplicationBuilder Builder(string redis)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection([new("Realtime:Redis:ConnectionString", redis)]);
        builder.Logging.ClearProviders().AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Error);
        builder.Services.AddOptions<RedisOptions>().Bind(builder.Configuration.GetSection(RedisOptions.Section));
        builder.Services.AddSingleton<RedisConnection>();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddOptions<RedisClusteringOptions>().Configure(options => options.ConfigurationOptions = ConfigurationOptions.Parse(redis));
        return builder;
    }

    public static void AddTo(ISiloBuilder silo, string transport)
    {
        if (transport == MemoryStreams)
        {
            // As fast as it can be polled without a core of its own.
            silo.AddMemoryStreams(Mailbox.ProviderName, streams =>
            {
                streams.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly);
                streams.ConfigurePullingAgent(agent => agent.Configure(options =>
                {
                    options.GetQueueMsgsTimerPeriod = TimeSpan.FromMilliseconds(5);
                    options.BatchContainerBatchSize = 32;
                }));
            });
        }
        else if (transport == Mailboxes)
        {
            silo.AddMailboxes();
        }
    }

    public static void AddTo(IClientBuilder client, string transport)
    {
        if (transport == MemoryStreams)
        {
            client.AddMemoryStreams(Mailbox.ProviderName, streams => streams.ConfigureStreamPubSub(StreamPubSubType.ExplicitGrainBasedOnly));
        }
        else if (transport == Mailboxes)
        {
            client.AddMailboxes();
        }
    }

    /// <summary>What an outbox sends through.</summary>
    public static Func<MailboxBatch, StreamSequenceToken?, Task> Sender(string transport, IServiceProvider services, string gateway)
    {
        if (transport == PubSub)
        {
            var serializer = services.GetRequiredService<Serializer>();
            var database = services.GetRequiredService<RedisConnection>().Database;
            return (batch, _) => database.PublishAsync(ChannelOf(gateway), serializer.SerializeToArray(batch));
        }

        return services.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName).GetStream<MailboxBatch>(Mailbox.StreamOf(gateway)).OnNextAsync;
    }

    public static async Task SubscribeAsync(string transport, IServiceProvider services, string gateway, Action<MailboxBatch> received)
    {
        if (transport == PubSub)
        {
            var serializer = services.GetRequiredService<Serializer>();
            var connection = await services.GetRequiredService<RedisConnection>().GetAsync();
            var queue = await connection.GetSubscriber().SubscribeAsync(ChannelOf(gateway));
            queue.OnMessage(message => received(serializer.Deserialize<MailboxBatch>((byte[])message.Message!)!));
            return;
        }

        await services.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName)
            .GetStream<MailboxBatch>(Mailbox.StreamOf(gateway))
            .SubscribeAsync((batch, _) =>
            {
                received(batch);
                return Task.CompletedTask;
            });
    }

    static RedisChannel ChannelOf(string gateway) => RedisChannel.Literal("mailbox:" + gateway);
}
