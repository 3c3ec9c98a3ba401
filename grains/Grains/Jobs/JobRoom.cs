using System.Globalization;
using System.Text;
using OrleansRealtime.Channels;
using OrleansRealtime.Rooms;

namespace OrleansRealtime.Jobs;

/// <summary>The room in which a job's events are. It may be used inside of the grain and outside of it.</summary>
/// <param name="begin">As <see cref="JobInfo.Begin"/>.</param>
sealed class JobRoom(IGrainFactory grains, string jobId, Cursor begin)
{
    readonly IRoomGrain _room = grains.GetGrain<IRoomGrain>(JobId.RoomOf(jobId).Qualified);

    public static Payload Data(string json) => new(PayloadKind.Json, Encoding.UTF8.GetBytes(json));

    /// <summary>Where the room's log ends before a job is started.</summary>
    public static async Task<Cursor> FindBeginAsync(IGrainFactory grains, string jobId)
    {
        var head = (await grains.GetGrain<IRoomGrain>(JobId.RoomOf(jobId).Qualified).Read(new(null, null, 1))).Head;
        return new(head.Epoch, head.Offset);
    }

    /// <param name="attempt">The call of the handler, and <paramref name="number"/> the status of that call: by them a status is known that is published again.</param>
    /// <exception cref="ChannelUnavailableException">It is not known to be kept.</exception>
    public Task PublishStatusAsync(Payload data, int attempt, int number) => PublishAsync(JobEvents.Status, data, $"{attempt}.{number}");

    /// <summary>A job has one final event, however often it is published.</summary>
    /// <exception cref="ChannelUnavailableException">It is not known to be kept.</exception>
    public Task PublishFinalAsync(string name, Payload data) => PublishAsync(name, data, "final");

    /// <summary>Whether the final event is there. Message ids are not remembered for ever, the last message is.</summary>
    public async Task<bool> HasFinalAsync() => (await NewestAsync(1)) is [{ Event: var last }] && JobEvents.IsFinal(last);

    /// <summary>The data of the last status; null where there is none.</summary>
    public async Task<Payload?> LastStatusAsync() => (await NewestAsync(2)).LastOrDefault(m => m.Event == JobEvents.Status)?.Data;

    public async Task<bool> IsWatchedAsync() => (await _room.Presence(0)).Connections > 0;

    /// <summary>The newest messages of this job.</summary>
    async Task<IReadOnlyList<Message>> NewestAsync(int count)
    {
        var page = await _room.Read(new(null, null, count));
        return page.Head.Epoch == begin.Epoch ? [.. page.Messages.Where(m => m.Offset > begin.Offset)] : page.Messages;
    }

    async Task PublishAsync(string name, Payload data, string id)
    {
        // The place is there for a job of the same id that has been forgotten.
        var result = await _room.Publish(new(name, data, MessageId: string.Create(CultureInfo.InvariantCulture, $"{id}@{begin.Offset}")));
        if (result.Status != PublishStatus.Accepted)
        {
            throw new ChannelUnavailableException();
        }
    }
}
