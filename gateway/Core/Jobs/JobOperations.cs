using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Gateway.Jobs;

/// <summary>
/// What clients can do with jobs, the same for every transport. Which jobs there are the silos know. Who knows a job's id may watch it; the room that its
/// events are in is for that alone, and only the server publishes there.
/// </summary>
sealed class JobOperations(IClusterClient cluster, IOptions<GatewayOptions> options)
{
    public async Task<StartedJob> StartAsync(Permissions caller, string? name, Payload? input, StartJobOptions? how, CancellationToken cancellationToken)
    {
        string checkedName = RealtimeOperations.CheckName(name, "A job's name");
        if (!caller.MayStartJob(checkedName))
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, $"The token does not allow starting the job '{checkedName}'.");
        }

        var start = await BeginAsync(caller, checkedName, input, how, cancellationToken);
        return start.Job is { } job ? StartedJob.Of(job) : throw Refusal(start);
    }

    /// <summary>Starts the job of the name of a request that has no handler.</summary>
    /// <returns>The answer to the request; null where there is no such job either.</returns>
    public async Task<EventData?> RequestAsync(Permissions caller, string? name, Payload? input, CancellationToken cancellationToken)
    {
        if (!RoomName.TryCheckName(name, "", out _))
        {
            return null;
        }

        if (!caller.MayStartJob(name))
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, $"There is no handler of '{name}', and the token does not allow starting a job of that name.");
        }

        var start = await BeginAsync(caller, name, input, null, cancellationToken);
        return start.Job is { } job ? EventData.Of(StartedJob.Of(job))
            : start.Status == JobStartStatus.UnknownJob ? null
            : throw Refusal(start);
    }

    public async Task<JobDescription> DescribeAsync(string? id, CancellationToken cancellationToken) => JobDescription.Of(await FindAsync(id, cancellationToken));

    public async Task<CancelJobResult> CancelAsync(Permissions caller, string? id, CancellationToken cancellationToken)
    {
        var job = await FindAsync(id, cancellationToken);
        if (job.StartedBy != caller.UserId && !caller.IsAdmin)
        {
            throw new RealtimeException(RealtimeErrorCode.NotAllowed, "Only the user who has started a job, and the role 'admin', may cancel it.");
        }

        return new(await RealtimeOperations.CallAsync(cluster.GetGrain<IJobGrain>(job.Id).Cancel(), cancellationToken));
    }

    /// <summary>Before a room is joined or read: one of a job needs to have a job. Other rooms need nothing.</summary>
    public async ValueTask CheckRoomAsync(RoomName room, CancellationToken cancellationToken)
    {
        if (JobId.IsRoom(room, out string id))
        {
            await FindAsync(id, cancellationToken);
        }
    }

    /// <summary>Where a stream of a job's events begins.</summary>
    /// <param name="lastEventId">The cursor of the last event that the client has; empty for none.</param>
    /// <returns>Null where nothing comes any more.</returns>
    public async Task<(ChannelId Channel, Cursor After)?> FindStreamAsync(string? id, string? lastEventId, CancellationToken cancellationToken)
    {
        var job = await FindAsync(id, cancellationToken);
        var channel = ChannelId.Room(JobId.RoomOf(job.Id));
        var cursor = RealtimeOperations.CheckCursor(RealtimeOperations.ParseCursor(lastEventId), channel);
        var newest = await RealtimeOperations.CallAsync(cluster.GetChannel(channel).Read(new(null, null, 1)), cancellationToken);
        string epoch = newest.Head.Epoch;
        bool isOver = newest.Messages is [var last] && JobEvents.IsFinal(last.Event) && job.Owns(new(epoch, last.Offset))
            ? cursor == new Cursor(epoch, last.Offset)
            : job.IsTold; // And what was told has been trimmed, or lost.
        return isOver ? null : (channel, cursor ?? (epoch == job.Begin.Epoch ? job.Begin : new(epoch, 0)));
    }

    Task<JobStart> BeginAsync(Permissions caller, string name, Payload? input, StartJobOptions? how, CancellationToken cancellationToken)
    {
        RealtimeOperations.CheckSize(input, options.Value);
        string id = how?.IdempotencyKey is { } key
            ? JobId.FromKey(caller.UserId, name, RealtimeOperations.CheckName(key, "An idempotencyKey"))
            : JobId.New();
        var request = new JobRequest(name, input, caller.UserId, how?.CancelWhenUnwatched ?? false);
        return RealtimeOperations.CallAsync(cluster.GetGrain<IJobGrain>(id).Start(request), cancellationToken);
    }

    async Task<JobInfo> FindAsync(string? id, CancellationToken cancellationToken) =>
        id is not null && JobId.IsWellFormed(id) && await RealtimeOperations.CallAsync(cluster.GetGrain<IJobGrain>(id).Info(), cancellationToken) is { } job
            ? job
            : throw new RealtimeException(RealtimeErrorCode.UnknownJob, "There is no such job (any more).");

    static RealtimeException Refusal(JobStart start) => new(
        start.Status switch
        {
            JobStartStatus.UnknownJob => RealtimeErrorCode.UnknownJob,
            JobStartStatus.InputTooLarge => RealtimeErrorCode.PayloadTooLarge,
            JobStartStatus.Overloaded => RealtimeErrorCode.Overloaded,
            _ => RealtimeErrorCode.InvalidArgument,
        },
        start.Error ?? "");
}
