using System.Text;
using OrleansRealtime.Channels;
using OrleansRealtime.Rooms;

namespace OrleansRealtime.Jobs;

/// <summary>The room in which a job's events are. It may be used inside of the grain and outside of it.</summary>
sealed class JobRoom(IGrainFactory grains, string jobId)
{
    /// <summary>A job has one final event, however often it is published.</summary>
    const string FinalMessageId = "final";

    readonly IRoomGrain _room = grains.GetGrain<IRoomGrain>(JobId.RoomOf(jobId).Qualified);

    public static Payload Data(string json) => new(PayloadKind.Json, Encoding.UTF8.GetBytes(json));

    /// <exception cref="ChannelUnavailableException">It is not known to be kept; it may be tried again under the same id.</exception>
    public Task PublishStatusAsync(Payload data, string messageId) => PublishAsync(new(JobEvents.Status, data, MessageId: messageId));

    /// <exception cref="ChannelUnavailableException">It is not known to be kept.</exception>
    public Task PublishFinalAsync(string name, Payload data) => PublishAsync(new(name, data, MessageId: FinalMessageId));

    /// <summary>Whether the final event is there. Message ids are not remembered for ever, the last message is.</summary>
    public async Task<bool> HasFinalAsync() => (await _room.Read(new(null, null, 1))).Messages is [{ Event: var last }] && JobEvents.IsFinal(last);

    /// <summary>The data of the last status; null where there is none.</summary>
    public async Task<Payload?> LastStatusAsync() => (await _room.Read(new(null, null, 2))).Messages.LastOrDefault(m => m.Event == JobEvents.Status)?.Data;

    public async Task<bool> IsWatchedAsync() => (await _room.Presence(0)).Connections > 0;

    async Task PublishAsync(Publication publication)
    {
        var result = await _room.Publish(publication);
        if (result.Status != PublishStatus.Accepted)
        {
            throw new ChannelUnavailableException();
        }
    }
}
