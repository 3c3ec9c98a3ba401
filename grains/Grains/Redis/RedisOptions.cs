using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace OrleansRealtime.Redis;

/// <summary>Section <c>Realtime:Redis</c>: the Redis of a cluster. Where <see cref="ConnectionString"/> is set, a process is part of a cluster.</summary>
public sealed class RedisOptions
{
    public const string Section = "Realtime:Redis";

    /// <summary>In StackExchange.Redis' form, for example <c>redis:6379,password=…,ssl=true</c>.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>What every key begins with, so that several clusters can share a Redis.</summary>
    public string KeyPrefix { get; set; } = "realtime";

    /// <summary>How long a command may take before Redis counts as away.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Replicas that must have an append before it is acknowledged (Redis' <c>WAIT</c>). Not for Redis Cluster.</summary>
    public int Replicas { get; set; }
}

sealed class RedisOptionsValidator : IValidateOptions<RedisOptions>
{
    public ValidateOptionsResult Validate(string? name, RedisOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{RedisOptions.Section}:{setting} {rule}.");
            }
        }

        Check(IsConnectionString(options.ConnectionString), nameof(options.ConnectionString), "must be of the form 'host:port,option=value', for example 'localhost:6379'");
        Check(
            options.KeyPrefix.Length is > 0 and <= 64 && options.KeyPrefix.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':'),
            nameof(options.KeyPrefix),
            "must be 1 to 64 letters, digits, or any of '-_.:'");
        Check(
            options.CommandTimeout >= TimeSpan.FromMilliseconds(100) && options.CommandTimeout <= TimeSpan.FromSeconds(30),
            nameof(options.CommandTimeout),
            "must be 100 ms to 30 seconds");
        Check(options.Replicas is >= 0 and <= 10, nameof(options.Replicas), "must be 0 to 10");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    static bool IsConnectionString(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text).EndPoints.Count > 0;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            return false;
        }
    }
}
