using OrleansRealtime.Namespaces;
using OrleansRealtime.Rooms;
using OrleansRealtime.Users;

namespace OrleansRealtime.Channels;

public static class ChannelGrains
{
    /// <summary>The grain that owns a channel.</summary>
    public static IChannelGrain GetChannel(this IGrainFactory grains, ChannelId channel) => channel.Kind switch
    {
        ChannelKind.Room => grains.GetGrain<IRoomGrain>(channel.Key),
        ChannelKind.User => grains.GetGrain<IUserGrain>(channel.Key),
        _ => grains.GetGrain<INamespaceGrain>(channel.Key),
    };
}
