using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Users;

namespace OrleansRealtime.Tests.Contracts;

/// <summary>One embedded server for all of a suite's tests; each test has rooms and users of its own.</summary>
public sealed class SharedHost : IContractHost, IAsyncLifetime
{
    EmbeddedHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await EmbeddedHost.StartAsync(("Realtime:Gateway:QueueBytes", "65536"));

    public Uri NextAddress() => _host.Address;

    public Task<string> TokenAsync(string user, string query = "") => _host.TokenAsync(user, query);

    public Task<HttpClient> RestAsync(string user, string query = "") => _host.RestAsync(user, query);

    public async Task<long> DeliveredAsync(string user)
    {
        var grains = (IGrainFactory)_host.Services.GetService(typeof(IGrainFactory))!;
        return (await grains.GetGrain<IUserGrain>(user).DeliveredUpTo()).Offset;
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();
}
