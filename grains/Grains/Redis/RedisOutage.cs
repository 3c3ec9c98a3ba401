using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>Tells a Redis that is away, or cannot do its work at the moment, from a defect.</summary>
static class RedisOutage
{
    public static bool Is(Exception exception) => exception switch
    {
        RedisServerException server => server.Kind
            is RedisErrorKind.Loading or RedisErrorKind.ReadOnly or RedisErrorKind.MasterDown or RedisErrorKind.ClusterDown
            or RedisErrorKind.TryAgain or RedisErrorKind.Moved or RedisErrorKind.Ask or RedisErrorKind.UnknownRedirectTarget
            or RedisErrorKind.OutOfMemory or RedisErrorKind.Misconfigured or RedisErrorKind.NoReplicas
            or RedisErrorKind.Busy or RedisErrorKind.MaxClients,

        // A command that this program has put together wrongly.
        RedisCommandException => false,

        // Nobody here passes a token to a command: one that is cancelled was on a connection that has been closed.
        _ => exception is RedisException or RedisStartupException or TimeoutException or ObjectDisposedException or OperationCanceledException,
    };
}
