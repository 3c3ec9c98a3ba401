using System.Collections.Frozen;
using System.Text;
using System.Text.Json;

namespace OrleansRealtime.Jobs;

/// <summary>What a handler does for one input. It returns its result as JSON.</summary>
delegate Task<string> JobWork(JobContext context);

/// <param name="Prepare">Reads the input, which is JSON or null for none. It throws a <see cref="JobInputException"/> before anything has happened.</param>
sealed record JobHandler(string Name, Func<string?, JobWork> Prepare)
{
    /// <summary>Reads an input, and has the application check it.</summary>
    public static T Read<T>(string name, string? json, Func<T, string?>? check)
    {
        var input = Read<T>(name, json);
        return check?.Invoke(input) is { } wrong ? throw new JobInputException(wrong) : input;
    }

    static T Read<T>(string name, string? json)
    {
        try
        {
            if (json is not null && JsonSerializer.Deserialize<T>(json, JobJson.Strict) is { } input)
            {
                return input;
            }
        }
        catch (JsonException exception)
        {
            string at = exception.Path is { Length: > 1 } path ? $", at '{path}'" : "";
            throw new JobInputException($"The input of the job '{name}' is not of the form that is expected{at}.", exception);
        }

        return Nullable.GetUnderlyingType(typeof(T)) is not null ? default! : throw new JobInputException($"The job '{name}' needs input.");
    }
}

/// <summary>The input of a job is not what its handler expects. The message is a sentence for the caller.</summary>
sealed class JobInputException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The handlers of this silo, by name.</summary>
sealed class JobRegistry(IEnumerable<JobHandler> handlers)
{
    readonly FrozenDictionary<string, JobHandler> _handlers = handlers.ToFrozenDictionary(h => h.Name);

    public JobHandler? Find(string name) => _handlers.GetValueOrDefault(name);
}

/// <summary>The JSON of inputs, results, statuses and checkpoints.</summary>
static class JobJson
{
    /// <summary>What a client sent must have everything that the handler's type needs.</summary>
    public static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public static string Write(object? value) => value is null ? "null" : JsonSerializer.Serialize(value, value.GetType(), JsonSerializerOptions.Web);

    /// <exception cref="ArgumentException">It is over the limit.</exception>
    public static string Write(object? value, int maxBytes, string what)
    {
        string json = Write(value);
        int bytes = Encoding.UTF8.GetByteCount(json);
        return bytes <= maxBytes ? json : throw new ArgumentException($"{what} has {bytes} bytes as JSON; at most {maxBytes} are allowed.");
    }
}
