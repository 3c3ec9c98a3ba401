using OrleansRealtime.Tests.Cluster.Clients;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.Cluster;

/// <summary>A gateway dies, stops, comes or goes: its clients lose nothing.</summary>
[Collection(ClusterTests.Name)]
public sealed class GatewayFailureTests(SharedCluster shared)
{
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    readonly RealtimeCluster _cluster = shared.Cluster;

    [Fact]
    public async Task Clients_of_a_killed_gateway_go_on_at_the_other_one_and_its_members_leave_with_its_lease()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 2, Members: 4, Visitors: 2));
        using var rest = new RestApi(_cluster.Addresses[1]);
        var quiet = await SilentMemberAsync(_cluster.Addresses[0], "quiet");
        Assert.True(await IsThereAsync(rest, "quiet"));
        crowd.BeginLoad(Interval);
        await crowd.PublishAsync(5);
        await _cluster.Gateways[0].KillAsync();
        await crowd.PublishAsync(5);
        await Eventually.True("the dead gateway's members are gone", async () => !await IsThereAsync(rest, "quiet"));
        await crowd.EndLoadAsync();
        await _cluster.Gateways[0].StartAsync();
        await crowd.HasLostNothingAsync();
        await quiet.DisposeAsync();
    }

    [Fact]
    public async Task A_gateway_that_is_stopped_for_longer_than_its_lease_brings_its_clients_everything_once_it_goes_on()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 1, Members: 4, Visitors: 0));
        await crowd.PublishAsync(3);
        var stopped = _cluster.Gateways[0];
        stopped.Pause();

        // Those on the other gateway publish and receive as if nothing had happened; the lease ends meanwhile.
        var elsewhere = crowd.Members.Where(m => m.Gateway == _cluster.Addresses[1]).ToList();
        Assert.NotEmpty(elsewhere);
        for (int i = 0; i < 20; i++)
        {
            foreach (var member in elsewhere)
            {
                Assert.True(await member.PublishAsync(member.Visit.Room!.Channel, $"{member.Visit.User}-stopped-{i}"));
            }

            await Pause.ForAsync(RealtimeCluster.Lease / 10, TestContext.Current.CancellationToken);
        }

        Assert.All(elsewhere, m => Assert.Equal(1, m.Connections));
        stopped.Resume();
        await crowd.PublishAsync(3);
        await crowd.HasLostNothingAsync();
    }

    [Fact]
    public async Task A_gateway_comes_and_goes_under_load_and_clients_notice_no_more_than_a_reconnection()
    {
        await using var crowd = await Crowd.ComeAsync(_cluster, new(Rooms: 2, Members: 4, Visitors: 2));
        crowd.BeginLoad(Interval);
        var added = await _cluster.AddGatewayAsync();
        foreach (var member in crowd.Members)
        {
            member.Cut();
        }

        await Eventually.True("the new gateway has clients", () => crowd.Members.Any(m => m.Gateway == added.Address && m.IsConnected));
        await crowd.PublishAsync(5);
        int before = crowd.Ledger.Acknowledged.Count;
        await _cluster.RemoveGatewayAsync(added);
        await crowd.PublishAsync(5);
        await crowd.EndLoadAsync();
        await crowd.HasLostNothingAsync();
        Assert.All(crowd.Ledger.Acknowledged.Skip(before), a => Assert.True((a.At - a.Begun).TotalSeconds < 3, $"{a} took too long"));
    }

    /// <summary>A connection in the room <c>quiet</c> that does not come back.</summary>
    static async Task<IChatConnection> SilentMemberAsync(Uri gateway, string room)
    {
        using var rest = new RestApi(gateway);
        return await SignalRChat.OpenAsync(
            gateway, new("silent", await rest.TokenAsync("silent"), room, inbox: false, new()), TestContext.Current.CancellationToken);
    }

    static async Task<bool> IsThereAsync(RestApi rest, string room) =>
        (await rest.GetAsync($"/api/rooms/{room}/presence", await rest.TokenAsync("watcher"))).GetProperty("members").GetInt32() == 1;
}
