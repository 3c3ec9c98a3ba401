using OrleansRealtime.Client;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>The .NET client with a server that stays.</summary>
public sealed class ConnectionTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Members_of_a_room_read_what_is_sent_in_its_order()
    {
        await using var host = await EmbeddedHost.StartAsync();
        await using var clients = new TestClients();
        var ann = await clients.ConnectAsync(host.Address, await host.TokenAsync("ann"));
        var bob = await clients.ConnectAsync(host.Address, await host.TokenAsync("bob"));
        Assert.Equal(("ann", ConnectionState.Connected), (ann.User, ann.State));
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        await bob.Room("general").JoinAsync(cancellationToken: Stop);

        for (int i = 0; i < 100; i++)
        {
            ann.Room("general").Send(i);
        }

        var kept = await ann.Room("general").SendAsync(new { Text = "the last" }, cancellationToken: Stop);
        Assert.Equal(101, kept.Offset);

        // Read only now: nothing since the room was joined is missed.
        await using var reading = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop));
        await reading.TextsAsync(101);
        Assert.Equal(Enumerable.Range(1, 101).Select(o => (long?)o), reading.Messages.Select(m => m.Offset));
        Assert.Equal([.. Enumerable.Range(0, 100).Select(i => $"{i}"), """{"text":"the last"}"""], reading.Texts);
        Assert.All(reading.Messages, m => Assert.Equal(("ann", "general", "message"), (m.From, m.Room, m.Event)));

        var page = await bob.Room("general").HistoryAsync(new() { Limit = 2 }, Stop);
        Assert.Equal([100L, 101], page.Messages.Select(m => m.Offset!.Value));
        Assert.Equal([99L], (await bob.Room("general").HistoryAsync(new() { Before = 100, Limit = 1 }, Stop)).Messages.Select(m => m.Offset!.Value));
        Assert.Equal(["ann", "bob"], (await bob.Room("general").PresenceAsync(Stop)).List.Select(m => m.User).Order());
        Assert.True(await ann.PingAsync(Stop) > TimeSpan.Zero);
    }
}
