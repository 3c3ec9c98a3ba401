using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Jobs;

/// <summary>
/// Registers the application's jobs: every silo of a cluster registers the same. A handler may be called more than once for a job (at least once): when its
/// silo has died, it is called again elsewhere with the last checkpoint. It runs on the thread pool and may block there.
/// </summary>
public sealed class JobBuilder
{
    readonly IServiceCollection _services;

    internal JobBuilder(IServiceCollection services) => _services = services;

    /// <summary>A job with input and a result.</summary>
    /// <typeparam name="TInput">Read from JSON with camel-case names; a start whose input is not of that form, or lacks what a constructor needs, is refused.</typeparam>
    /// <typeparam name="TResult">Written as JSON with camel-case names.</typeparam>
    /// <param name="name">1 to 128 bytes of UTF-8 without control characters.</param>
    /// <param name="check">Says in a sentence what is wrong with the input, for the caller, whose start is then refused; null where nothing is.</param>
    /// <exception cref="ArgumentException">There is a job of that name already, or it is not a name.</exception>
    public JobBuilder Add<TInput, TResult>(string name, Func<JobContext, TInput, Task<TResult>> handler, Func<TInput, string?>? check = null) =>
        Add(new JobHandler(name, json =>
        {
            var input = JobHandler.Read(name, json, check);
            return async context => JobJson.Write(await handler(context, input));
        }));

    /// <summary>A job with input and no result.</summary>
    /// <inheritdoc cref="Add{TInput, TResult}"/>
    public JobBuilder Add<TInput>(string name, Func<JobContext, TInput, Task> handler, Func<TInput, string?>? check = null) =>
        Add(new JobHandler(name, json =>
        {
            var input = JobHandler.Read(name, json, check);
            return async context =>
            {
                await handler(context, input);
                return "null";
            };
        }));

    /// <summary>A job without input; what a caller gives nevertheless is ignored.</summary>
    /// <inheritdoc cref="Add{TInput, TResult}"/>
    public JobBuilder Add(string name, Func<JobContext, Task> handler) =>
        Add(new JobHandler(name, _ => async context =>
        {
            await handler(context);
            return "null";
        }));

    JobBuilder Add(JobHandler handler)
    {
        if (!RoomName.TryCheckName(handler.Name, "A job's name", out string? error))
        {
            throw new ArgumentException(error);
        }

        if (_services.Any(s => s.ImplementationInstance is JobHandler other && other.Name == handler.Name))
        {
            throw new ArgumentException($"There is a job '{handler.Name}' already.");
        }

        _services.AddSingleton(handler);
        return this;
    }
}
