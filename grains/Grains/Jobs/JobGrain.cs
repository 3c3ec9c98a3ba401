using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Placement;
using Orleans.Storage;
using Orleans.Timers;
using OrleansRealtime.Channels;
using OrleansRealtime.Users;

namespace OrleansRealtime.Jobs;

/// <summary>
/// One job. Its state is what counts: it is written before the job is started, before each call of the handler, and before the end is told.
/// <para>
/// The handler runs outside of the grain (<see cref="JobRun"/>). A timer looks after it every second, and keeps the grain active meanwhile; a reminder
/// brings the grain back when its silo has died. Where two activations exist for a moment, the store takes the writes of one of them, and the other stops.
/// </para>
/// <para>
/// Placed at random, so that many that are started together spread: by their load the silos would be told apart only every second.
/// </para>
/// </summary>
[RandomPlacement]
sealed class JobGrain(
    JobServices services,
    [PersistentState("job", UserGrain.StorageName)] IPersistentState<JobState> state) : Grain, IJobGrain, IRemindable
{
    const string ReminderName = "job";

    static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>How often a finished job's state is tried to be cleared again where that failed.</summary>
    static readonly TimeSpan ClearPeriod = TimeSpan.FromHours(1);

    /// <summary>State is written by one at a time: each write needs what the one before got back.</summary>
    Task _lastWrite = Task.CompletedTask;

    TaskScheduler _scheduler = TaskScheduler.Default;
    JobRoom _room = null!;
    IGrainTimer? _timer;
    JobRun? _run;
    Task _running = Task.CompletedTask;

    /// <summary>As the store has it.</summary>
    JobState _saved = new();

    /// <summary>How the job has ended, from before that is written.</summary>
    JobOutcome? _outcome;

    Payload? _progress;
    bool _isProgressKnown;
    long _cancelledAt;
    long _watchedAt;
    bool _wasWatched;
    bool _mayBeTold = true;
    bool _isStarting;
    bool _isLooking;
    bool _isEnding;
    bool _isTroubled;

    string Id => this.GetPrimaryKeyString();

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _scheduler = TaskScheduler.Current;
        _saved = state.State;
        _room = new(GrainFactory, Id, _saved.Begin);
        if (_saved.Name is not null && !_saved.IsTold)
        {
            LookAfter(TimeSpan.Zero);
        }

        return Task.CompletedTask;
    }

    /// <summary>The silo stops, or the grain moves: the job goes on elsewhere, with its last checkpoint.</summary>
    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        if (_run is not { } run)
        {
            return;
        }

        run.Cancel(isInterrupted: true);
        await _running.WaitAsync(services.Options.CancelGrace, services.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await run.SealAsync().WaitAsync(cancellationToken);
    }

    public async Task<JobStart> Start(JobRequest request)
    {
        if (_saved.Name is not null)
        {
            return new(JobStartStatus.StartedBefore, await Info());
        }

        if (services.Registry.Find(request.Name) is not { } handler)
        {
            return Refuse(JobStartStatus.UnknownJob, $"There is no job '{request.Name}'.");
        }

        if (request.Input?.Bytes.Length > services.Options.MaxInputBytes)
        {
            return Refuse(JobStartStatus.InputTooLarge, $"The input has {request.Input.Bytes.Length} bytes; at most {services.Options.MaxInputBytes} are allowed.");
        }

        if (request.Input is { Kind: not PayloadKind.Json })
        {
            return Refuse(JobStartStatus.InvalidInput, "The input of a job is JSON, without binary data.");
        }

        JobWork work;
        string? input = request.Input is null ? null : Encoding.UTF8.GetString(request.Input.Bytes);
        try
        {
            work = handler.Prepare(input);
        }
        catch (JobInputException exception)
        {
            return Refuse(JobStartStatus.InvalidInput, exception.Message);
        }

        if (services.Slots.TryTake(request.StartedBy, out string? full) is not { } slot)
        {
            return Refuse(JobStartStatus.Overloaded, full!);
        }

        _isStarting = true;
        try
        {
            await KeepAsync(new()
            {
                Name = request.Name,
                StartedBy = request.StartedBy,
                StartedAt = services.Time.GetUtcNow().ToUnixTimeMilliseconds(),
                Input = input,
                CancelWhenUnwatched = request.CancelWhenUnwatched,
                Attempt = 1,
                Begin = await JobRoom.FindBeginAsync(GrainFactory, Id),
            });
            _room = new(GrainFactory, Id, _saved.Begin);
            _isProgressKnown = true;
        }
        catch
        {
            slot.Dispose();
            throw;
        }
        finally
        {
            _isStarting = false;
        }

        Run(work, slot);
        LookAfter(Period);
        return new(JobStartStatus.Started, ToInfo());

        JobStart Refuse(JobStartStatus status, string why)
        {
            DeactivateOnIdle();
            return new(status, null, why);
        }
    }

    public async Task<JobInfo?> Info()
    {
        if (_saved.Name is null)
        {
            // There will hardly be another call to this id, unless a start is under way.
            if (!_isStarting)
            {
                DeactivateOnIdle();
            }

            return null;
        }

        if (!_isProgressKnown)
        {
            // It may have been told before this activation.
            try
            {
                _progress = await _room.LastStatusAsync();
                _isProgressKnown = true;
            }
            catch (Exception exception) when (IsOutage(exception))
            {
                // Then it is not known now.
            }
        }

        return ToInfo();
    }

    public async Task<bool> Cancel()
    {
        if (!_saved.IsRunning || _outcome is not null)
        {
            return false;
        }

        await CancelAsync("The job was cancelled.");
        return true;
    }

    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        if (_saved.Name is null)
        {
            // Its start failed, or it was cleared and the reminder was not.
            await ForgetReminderAsync();
        }
        else if (_saved.IsTold && services.Time.GetUtcNow() >= DateTimeOffset.FromUnixTimeMilliseconds(_saved.EndedAt) + services.Options.Retention)
        {
            await state.ClearStateAsync();
            _saved = new();
            DeactivateOnIdle();
            await ForgetReminderAsync();
        }
        else if (_saved.IsTold && status.Period == services.Options.ResumePeriod)
        {
            await RemindOfClearingAsync();
        }
    }

    // ---- The life of the job ------------------------------------------------------------------------------------------

    /// <summary>The first write, after which the job is one.</summary>
    async Task KeepAsync(JobState first)
    {
        if (ServiceProvider.GetService<IReminderRegistry>() is null)
        {
            JobGrainLog.NoReminders(services.Logger);
            throw new OrleansConfigurationException("Jobs need reminders, and this silo has no reminder service. Add one, for tests UseInMemoryReminderService().");
        }

        try
        {
            // Before the state: a reminder without a job goes by itself, a job without a reminder would not go on.
            await this.RegisterOrUpdateReminder(ReminderName, services.Options.ResumePeriod, services.Options.ResumePeriod);
            await WriteAsync(_ => first);
        }
        catch (Exception exception) when (exception is not ChannelUnavailableException)
        {
            throw new ChannelUnavailableException("The job could not be kept. Try again.", exception);
        }
    }

    void Run(JobWork work, IDisposable slot)
    {
        var run = _run = new(Id, _saved, _room, services, SaveAsync, slot);
        _watchedAt = services.Time.GetTimestamp();
        _running = RunAsync();

        async Task RunAsync()
        {
            var outcome = await run.ExecuteAsync(work);
            if (_run == run && outcome is not null)
            {
                await LookedAfterAsync(() => EndAsync(outcome));
            }
        }
    }

    /// <summary>Calls the handler again, after the activation before has ended in whatever way.</summary>
    async Task ResumeAsync()
    {
        if (services.Registry.Find(_saved.Name!) is not { } handler)
        {
            // Another silo may have it, or a later version.
            JobGrainLog.NoHandler(services.Logger, _saved.Name!, Id);
            DeactivateOnIdle();
            return;
        }

        JobWork work;
        try
        {
            work = handler.Prepare(_saved.Input);
        }
        catch (JobInputException exception)
        {
            await EndAsync(new(JobStatus.Failed, Error: exception.Message));
            return;
        }

        if (_saved.CancelReason is null)
        {
            await WriteAsync(s => s with { Attempt = s.Attempt + 1 });
        }

        if (_saved.CancelReason is null)
        {
            JobGrainLog.Resumed(services.Logger, _saved.Name!, Id, _saved.Attempt);
            Run(work, services.Slots.Take(_saved.StartedBy));
        }
        else
        {
            await EndAsync(new(JobStatus.Cancelled));
        }
    }

    /// <summary>Writes a checkpoint, for a handler on a thread of its own.</summary>
    Task SaveAsync(JobRun run, string checkpoint) => Task.Factory.StartNew(
        () => _run == run ? WriteAsync(s => s with { Checkpoint = checkpoint }) : Task.FromException(new OperationCanceledException()),
        CancellationToken.None,
        TaskCreationOptions.DenyChildAttach,
        _scheduler).Unwrap();

    async Task CancelAsync(string reason)
    {
        if (_saved.CancelReason is null)
        {
            await WriteAsync(s => s with { CancelReason = reason });
            _cancelledAt = services.Time.GetTimestamp();
        }

        _run?.Cancel(isInterrupted: false);
    }

    /// <summary>Writes how the job has ended, and tells it. What of that fails the timer tries again.</summary>
    async Task EndAsync(JobOutcome outcome)
    {
        _outcome ??= outcome;
        if (_isEnding)
        {
            return;
        }

        _isEnding = true;
        try
        {
            if (_run is { } run)
            {
                await run.SealAsync();
                _progress = run.Progress ?? _progress;
                _run = null;
            }

            await WriteAsync(s => s with
            {
                Status = _outcome.Status,
                EndedAt = services.Time.GetUtcNow().ToUnixTimeMilliseconds(),
                Result = _outcome.Result,
                Error = _outcome.Error ?? (_outcome.Status == JobStatus.Cancelled ? s.CancelReason : null),
                Input = null,
                Checkpoint = null,
            });
            _mayBeTold = false;
            await TellAsync();
        }
        finally
        {
            _isEnding = false;
        }
    }

    /// <summary>Publishes the final event, unless it is in the room already.</summary>
    async Task TellAsync()
    {
        if (!_mayBeTold || !await _room.HasFinalAsync())
        {
            _mayBeTold = true;
            await (_saved.Status == JobStatus.Completed
                ? _room.PublishFinalAsync(JobEvents.Complete, JobRoom.Data(_saved.Result!))
                : _room.PublishFinalAsync(JobEvents.Error, JobRoom.Data(JobJson.Write(ErrorOf(_saved)))));
        }

        await WriteAsync(s => s with { IsTold = true });
        _timer?.Dispose();
        await RemindOfClearingAsync();
    }

    // ---- What keeps it going ------------------------------------------------------------------------------------------

    void LookAfter(TimeSpan due) => _timer = this.RegisterGrainTimer(
        _ => LookAfterAsync(), (object?)null, new GrainTimerCreationOptions(due, Period) { Interleave = true, KeepAlive = true });

    async Task LookAfterAsync()
    {
        if (_isLooking)
        {
            return;
        }

        _isLooking = true;
        await LookedAfterAsync(() =>
            !_saved.IsRunning ? _isEnding ? Task.CompletedTask : TellAsync()
            : _outcome is { } outcome ? EndAsync(outcome)
            : _run is { } run ? WatchAsync(run)
            : ResumeAsync());
        _isLooking = false;
    }

    /// <summary>Does a part of the work, which the timer tries again where it fails.</summary>
    async Task LookedAfterAsync(Func<Task> work)
    {
        try
        {
            await work();
            _isTroubled = false;
        }
        catch (InconsistentStateException)
        {
            // Another activation goes on with the job; this one has stopped.
        }
        catch (Exception exception)
        {
            if (!_isTroubled)
            {
                _isTroubled = true;
                JobGrainLog.Troubled(services.Logger, Id, exception);
            }
        }
    }

    async Task WatchAsync(JobRun run)
    {
        if (_saved.CancelReason is not null)
        {
            run.Cancel(isInterrupted: false);
            if (services.Time.GetElapsedTime(_cancelledAt) >= services.Options.CancelGrace)
            {
                JobGrainLog.Abandoned(services.Logger, run.Name, Id, services.Options.CancelGrace.TotalSeconds);
                await EndAsync(new(JobStatus.Cancelled));
            }
        }
        else if (_saved.CancelWhenUnwatched)
        {
            await LookForWatchersAsync();
        }
    }

    async Task LookForWatchersAsync()
    {
        bool isWatched;
        try
        {
            isWatched = await _room.IsWatchedAsync();
        }
        catch (Exception exception) when (IsOutage(exception))
        {
            // Nobody can say. When the room is back, those who watch may need a while.
            _watchedAt = services.Time.GetTimestamp();
            return;
        }

        if (isWatched)
        {
            _wasWatched = true;
            _watchedAt = services.Time.GetTimestamp();
        }
        else if (services.Time.GetElapsedTime(_watchedAt) >= (_wasWatched ? services.Options.WatcherGrace : services.Options.FirstWatcherGrace))
        {
            await CancelAsync("The job was cancelled because nobody watched it.");
        }
    }

    async Task RemindOfClearingAsync()
    {
        var retention = services.Options.Retention;
        var period = retention < services.Options.ResumePeriod ? services.Options.ResumePeriod : retention < ClearPeriod ? retention : ClearPeriod;

        // Another period than that of a job that runs, by which the two are told apart.
        await this.RegisterOrUpdateReminder(ReminderName, retention, period + TimeSpan.FromSeconds(1));
    }

    async Task ForgetReminderAsync()
    {
        if (await this.GetReminder(ReminderName) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }
    }

    // ---- The state ----------------------------------------------------------------------------------------------------

    /// <exception cref="InconsistentStateException">Another activation has written; this one has stopped.</exception>
    async Task WriteAsync(Func<JobState, JobState> change)
    {
        var before = _lastWrite;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _lastWrite = done.Task;
        await before;
        try
        {
            state.State = change(_saved);
            await state.WriteStateAsync();
            _saved = state.State;
        }
        catch (InconsistentStateException)
        {
            JobGrainLog.Superseded(services.Logger, Id);
            _run?.Cancel(isInterrupted: true);
            _ = _run?.SealAsync();
            _run = null;
            _timer?.Dispose();
            DeactivateOnIdle();
            throw;
        }
        catch (Exception exception) when (exception is not (ChannelUnavailableException or OrleansException))
        {
            // Of whatever kind the store's own exceptions are.
            throw new ChannelUnavailableException("The state of the job could not be written.", exception);
        }
        finally
        {
            done.SetResult();
        }
    }

    JobInfo ToInfo() => new(
        Id,
        _saved.Name!,
        _saved.StartedBy,
        _saved.StartedAt,
        _saved.IsRunning ? null : _saved.EndedAt,
        _saved.Status,
        _run?.Progress ?? _progress,
        _saved.Result is { } result ? JobRoom.Data(result) : null,
        _saved.Status is JobStatus.Failed or JobStatus.Cancelled ? ErrorOf(_saved) : null,
        _saved.IsTold,
        _saved.Begin);

    static JobError ErrorOf(JobState state) => new(state.Status == JobStatus.Cancelled ? "cancelled" : "failed", state.Error ?? "");

    static bool IsOutage(Exception exception) => exception is ChannelUnavailableException or OrleansException or TimeoutException;
}

static partial class JobGrainLog
{
    [LoggerMessage(1, LogLevel.Error, "A job cannot be started: this silo has no reminder service, which brings a job back whose silo has died. Add one, for tests UseInMemoryReminderService().")]
    public static partial void NoReminders(ILogger logger);

    [LoggerMessage(2, LogLevel.Warning, "The job '{Name}' ({Id}) cannot go on here: there is no job of that name in this silo. It waits for one that has it.")]
    public static partial void NoHandler(ILogger logger, string name, string id);

    [LoggerMessage(3, LogLevel.Information, "The job '{Name}' ({Id}) goes on: call {Attempt} of its handler.")]
    public static partial void Resumed(ILogger logger, string name, string id, int attempt);

    [LoggerMessage(4, LogLevel.Warning, "The job {Id} could not be looked after; it is tried again every second.")]
    public static partial void Troubled(ILogger logger, string id, Exception exception);

    [LoggerMessage(5, LogLevel.Warning, "The job '{Name}' ({Id}) is cancelled without its handler, which did not end within {Seconds} s.")]
    public static partial void Abandoned(ILogger logger, string name, string id, double seconds);

    [LoggerMessage(6, LogLevel.Warning, "The job {Id} goes on in another activation; this one gives way.")]
    public static partial void Superseded(ILogger logger, string id);
}
