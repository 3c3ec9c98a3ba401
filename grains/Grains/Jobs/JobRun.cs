using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Storage;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Jobs;

/// <summary>
/// One call of a handler, on the thread pool. What it tells and keeps goes out in turn, and none of it after <see cref="SealAsync"/>, so that nothing follows
/// the job's final event.
/// </summary>
/// <param name="state">As it was written for this call.</param>
/// <param name="save">Writes a checkpoint into the job's state.</param>
/// <param name="slot">What counts this job as running.</param>
#pragma warning disable CA1001 // A handler that was left alone may still use them; none holds anything but memory.
sealed partial class JobRun(string id, JobState state, JobRoom room, JobServices services, Func<JobRun, string, Task> save, IDisposable slot)
#pragma warning restore CA1001
{
    /// <summary>Between tries to reach a store or a room that is away.</summary>
    static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    const string SomethingWentWrong = "Something went wrong on the server.";

    readonly ILogger _logger = services.Logger;

    /// <summary>Asks the handler to end.</summary>
    readonly CancellationTokenSource _cancelled = new();

    /// <summary>Ends what the handler waits for here: nothing of this call counts any more.</summary>
    readonly CancellationTokenSource _sealed = new();

    /// <summary>Held by what is being told or kept; and for ever, once sealed.</summary>
    readonly SemaphoreSlim _turn = new(1);

    int _reports;

    public string Id => id;

    public string Name => state.Name!;

    public string StartedBy => state.StartedBy;

    public int Attempt => state.Attempt;

    public CancellationToken Cancelled => _cancelled.Token;

    public string? Checkpoint { get; private set; } = state.Checkpoint;

    /// <summary>The data of the last status of this call; null where there was none.</summary>
    public Payload? Progress { get; private set; }

    /// <summary>Whether the handler is to end because of its silo, while the job goes on elsewhere.</summary>
    public bool IsInterrupted { get; private set; }

    /// <summary>Calls the handler.</summary>
    /// <returns>How the job has ended; null where it has not, because the call was interrupted. Never fails.</returns>
    public Task<JobOutcome?> ExecuteAsync(JobWork work) => Task.Run(async () =>
    {
        try
        {
            await using var scope = services.Scopes.CreateAsyncScope();
            string result = await work(new(this, scope.ServiceProvider));
            return new JobOutcome(JobStatus.Completed, Result: Check(result));
        }
        catch (Exception exception)
        {
            return OutcomeOf(exception);
        }
    });

    public Task ReportAsync(object? status)
    {
        var data = JobRoom.Data(JobJson.Write(status, services.Options.MaxEventBytes, "The status"));
        return InTurnAsync(async () =>
        {
            int number = ++_reports;
            await RetryAsync(() => room.PublishStatusAsync(data, Attempt, number));
            Progress = data;
        });
    }

    public Task CheckpointAsync(object? checkpoint)
    {
        string json = JobJson.Write(checkpoint, services.Options.MaxCheckpointBytes, "The checkpoint");
        return InTurnAsync(async () =>
        {
            await RetryAsync(() => save(this, json));
            Checkpoint = json;
        });
    }

    /// <summary>Asks the handler to end.</summary>
    /// <param name="isInterrupted">Whether the job goes on elsewhere.</param>
    public void Cancel(bool isInterrupted)
    {
        IsInterrupted |= isInterrupted;

        // Not here: the application's own code runs then.
        _ = _cancelled.CancelAsync();
    }

    /// <summary>From now on the handler has no effect on the job. Completes when what was on its way is out.</summary>
    public async Task SealAsync()
    {
        slot.Dispose();
        if (_sealed.IsCancellationRequested)
        {
            return;
        }

        await _sealed.CancelAsync();
        await _turn.WaitAsync();
    }

    async Task InTurnAsync(Func<Task> action)
    {
        await _turn.WaitAsync(_sealed.Token);
        try
        {
            _sealed.Token.ThrowIfCancellationRequested();
            await action();
        }
        catch (InconsistentStateException exception)
        {
            throw new OperationCanceledException("The job goes on elsewhere.", exception, _sealed.Token);
        }
        finally
        {
            _turn.Release();
        }
    }

    async Task RetryAsync(Func<Task> action)
    {
        for (bool isFirst = true; ; isFirst = false)
        {
            try
            {
                await action();
                return;
            }
            catch (Exception exception) when (exception is ChannelUnavailableException or OrleansException or TimeoutException && !_sealed.IsCancellationRequested)
            {
                if (isFirst)
                {
                    Waiting(Name, id, exception);
                }

                await Task.Delay(RetryDelay, services.Time, _sealed.Token);
            }
        }
    }

    string Check(string result) => Encoding.UTF8.GetByteCount(result) is var bytes && bytes <= services.Options.MaxEventBytes
        ? result
        : throw new ArgumentException($"The result has {bytes} bytes as JSON; at most {services.Options.MaxEventBytes} are allowed ({JobOptions.Section}:{nameof(JobOptions.MaxEventBytes)}).");

    JobOutcome? OutcomeOf(Exception exception)
    {
        bool isCancelled = _cancelled.IsCancellationRequested || _sealed.IsCancellationRequested;
        if (!(isCancelled && exception is OperationCanceledException) && exception is not JobFailedException)
        {
            Failed(Name, id, exception);
        }

        return isCancelled
            ? IsInterrupted ? null : new(JobStatus.Cancelled)
            : new(JobStatus.Failed, Error: exception is JobFailedException ? exception.Message : SomethingWentWrong);
    }

    [LoggerMessage(1, LogLevel.Error, "The job '{Name}' ({Id}) failed.")]
    partial void Failed(string name, string id, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "The job '{Name}' ({Id}) waits for the store to be there again.")]
    partial void Waiting(string name, string id, Exception exception);
}
