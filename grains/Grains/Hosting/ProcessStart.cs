using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels.Sqlite;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Hosting;

/// <summary>How the project's processes start.</summary>
public static class ProcessStart
{
    /// <summary>Builds and runs a host. What keeps it from starting is said in a sentence, not in a stack trace.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunOrExplainAsync(Func<IHost> build)
    {
        try
        {
            PoolSize.Keep();
            using var host = build();
            await host.RunAsync();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is { } sentence)
        {
            await Console.Error.WriteLineAsync("OrleansRealtime cannot start: " + sentence);
            return 1;
        }
    }

    static string? Explain(Exception? exception) => exception switch
    {
        null => null,
        OptionsValidationException options => string.Join(' ', options.Failures),
        ChannelStoreStartupException store => store.Message,
        RedisStartupException redis => redis.Message,
        ClusterStartupException cluster => cluster.Message,
        AggregateException many => many.InnerExceptions.Select(Explain).FirstOrDefault(sentence => sentence is not null),
        IOException io when IsAddressInUse(io) => io.Message,
        _ => Explain(exception.InnerException),
    };

    static bool IsAddressInUse(Exception? exception) =>
        exception is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
        || (exception is not null && IsAddressInUse(exception.InnerException));
}
