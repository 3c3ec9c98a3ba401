using OrleansRealtime.Tests.Contracts;

namespace OrleansRealtime.Tests.SignalR;

public sealed class SignalRJsonContractTests(SharedHost shared) : TransportContract(shared), IClassFixture<SharedHost>
{
    internal override ITransport Transport { get; } = new SignalRTransport(messagePack: false);
}

public sealed class SignalRMessagePackContractTests(SharedHost shared) : TransportContract(shared), IClassFixture<SharedHost>
{
    internal override ITransport Transport { get; } = new SignalRTransport(messagePack: true);
}
