using OrleansRealtime.Channels;

namespace OrleansRealtime.Namespaces;

/// <summary>Sequences what is broadcast to everybody in a namespace. Its key is the namespace: <c>/</c>, <c>/admin</c>.</summary>
[Alias("OrleansRealtime.INamespaceGrain")]
public interface INamespaceGrain : IChannelGrain;
