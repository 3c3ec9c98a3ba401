using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.Sse;

public sealed class SseContractTests(SharedHost shared) : TransportContract(shared), IClassFixture<SharedHost>
{
    internal override ITransport Transport { get; } = new SseTransport();
}
