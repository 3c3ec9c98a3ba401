using System.Collections.Concurrent;
using System.Text.Json;
using OrleansRealtime.Jobs;
using OrleansRealtime.Tests.Events;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Jobs;

/// <summary>An embedded server with jobs whose progress the tests hold in their hands.</summary>
public sealed class JobHost : IAsyncLifetime
{
    readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = new();
    readonly ConcurrentDictionary<string, string> _ends = new();
    readonly ConcurrentDictionary<string, int> _calls = new();

    internal EmbeddedHost Host { get; private set; } = null!;

    internal CollectedLogs Logs { get; } = new();

    internal Uri Address => Host.Address;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartWithJobsAsync(
        Configure,
        null,
        Logs,
        ("Realtime:Jobs:WatcherGrace", "00:00:02"),
        ("Realtime:Jobs:FirstWatcherGrace", "00:00:04"),
        ("Realtime:Jobs:CancelGrace", "00:00:01"),
        ("Realtime:Jobs:MaxInputBytes", "2000"),
        ("Realtime:Jobs:MaxEventBytes", "1000"),
        ("Realtime:Jobs:MaxCheckpointBytes", "1000"),
        ("Realtime:Jobs:MaxRunningPerUser", "5"));

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Logs.Dispose();
    }

    /// <summary>Lets the jobs of the key go on.</summary>
    internal void Open(string key) => Gate(key).TrySetResult();

    /// <summary>How a handler of the key ended: the type of the exception, or <c>returned</c>. Null as long as it has not.</summary>
    internal string? EndOf(string key) => _ends.GetValueOrDefault(key);

    /// <summary>How often a handler has been called for the key.</summary>
    internal int CallsOf(string key) => _calls.GetValueOrDefault(key);

    TaskCompletionSource Gate(string key) => _gates.GetOrAdd(key, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    void Configure(JobBuilder jobs) => jobs
        .Add<Keyed, Keyed>("held", (context, input) => WatchedAsync(input, async () =>
        {
            await context.ReportAsync(new { status = "waiting", progress = 0 });
            await Gate(input.Key).Task.WaitAsync(context.CancellationToken);
            await context.ReportAsync(new { status = "going on", progress = 50 });
            await context.ReportAsync(new { status = "done", progress = 100 });
        }))
        .Add<Keyed, Keyed>("deaf", (context, input) => WatchedAsync(input, async () =>
        {
            await context.ReportAsync(new { status = "waiting" });
            await Gate(input.Key).Task;
            await context.ReportAsync(new { status = "too late" });
        }))
        .Add<Keyed, Keyed>("cleaning", (context, input) => WatchedAsync(input, async () =>
        {
            try
            {
                await Gate(input.Key).Task.WaitAsync(context.CancellationToken);
            }
            finally
            {
                await context.ReportAsync(new { status = "cleaned up" });
            }
        }))
        .Add("throws", _ => throw new InvalidOperationException("a secret of the server"))
        .Add("fails", _ => throw new JobFailedException("The moon is in the wrong place."))
        .Add<JsonElement, JsonElement>("echo", (context, input) => Task.FromResult(input))
        .Add<int?, object>("optional", (context, input) => Task.FromResult<object>(new { input, context.StartedBy, context.Name, context.Attempt }))
        .Add<Sized>("sized", async (context, input) =>
        {
            await context.ReportAsync(new string('x', input.Status));
            await context.CheckpointAsync(new string('x', input.Checkpoint));
        })
        .Add<Sized, string>("large", (_, input) => Task.FromResult(new string('x', input.Status)));

    async Task<Keyed> WatchedAsync(Keyed input, Func<Task> handler)
    {
        _calls.AddOrUpdate(input.Key, 1, (_, calls) => calls + 1);
        try
        {
            await handler();
            _ends[input.Key] = "returned";
            return input;
        }
        catch (Exception exception)
        {
            _ends[input.Key] = exception is OperationCanceledException ? "cancelled" : exception.GetType().Name;
            throw;
        }
    }

    internal sealed record Keyed(string Key);

    internal sealed record Sized(int Status, int Checkpoint);
}
