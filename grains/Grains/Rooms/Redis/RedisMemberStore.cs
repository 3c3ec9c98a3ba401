using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Redis;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Rooms.Redis;

/// <summary>One Redis set for each room.</summary>
sealed class RedisMemberStore(RedisConnection redis) : IMemberStore
{
    readonly RedisNameSets _sets = new(redis);

    public Task<IReadOnlyList<string>> ReadAsync(ChannelId room) => _sets.ReadAsync(_sets.Keys.Members(room));

    public Task ChangeAsync(ChannelId room, IReadOnlyCollection<string> joined, IReadOnlyCollection<string> left) =>
        _sets.ChangeAsync(_sets.Keys.Members(room), joined, left);

    public Task ReplaceAsync(ChannelId room, IReadOnlyCollection<string> members) => _sets.ReplaceAsync(_sets.Keys.Members(room), members);
}
