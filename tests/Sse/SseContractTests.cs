using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.Sse;

public sealed class SseContractTests(SharedHost shared) : TransportContract(shared)
{
    internal override ITransport Transport { get; } = new SseTransport();
}
