using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SocketIo;

public sealed class SocketIoWebSocketContractTests(SharedHost shared, NodeClients node)
    : TransportContract(shared), IClassFixture<SharedHost>, IClassFixture<NodeClients>
{
    internal override ITransport Transport { get; } = new SocketIoTransport(node, "websocket");
}

public sealed class SocketIoPollingContractTests(SharedHost shared, NodeClients node)
    : TransportContract(shared), IClassFixture<SharedHost>, IClassFixture<NodeClients>
{
    internal override ITransport Transport { get; } = new SocketIoTransport(node, "polling");
}
