using Microsoft.Extensions.Configuration;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>The mailbox stream provider of a cluster.</summary>
static class RedisMailboxes
{
    public static ISiloBuilder AddRedisMailboxes(this ISiloBuilder silo, IConfiguration configuration) => silo.AddMemoryStreams(Mailbox.ProviderName);

    public static IClientBuilder AddRedisMailboxes(this IClientBuilder client, IConfiguration configuration) => client.AddMemoryStreams(Mailbox.ProviderName);
}
