using OrleansRealtime.Channels;

namespace OrleansRealtime.Namespaces;

/// <summary>A namespace: a channel of what is broadcast to everybody in it.</summary>
sealed class NamespaceGrain(ChannelServices services) : ChannelGrain(ChannelKind.Namespace, services), INamespaceGrain
{
    protected override void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes)
    {
        // Presence is a matter of rooms.
    }
}
