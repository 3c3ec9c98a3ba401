using System.Net.ServerSentEvents;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Contracts;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.Sse;

namespace OrleansRealtime.Tests.Fanout;

/// <summary>A client that comes back after much has happened.</summary>
public sealed class CatchUpTests
{
    /// <summary>More than sockets buffer, in pages that are larger than the queue.</summary>
    const int Messages = 600, MessageBytes = 30_000;

    public static TheoryData<string> Transports => ["signalr", "sse"];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Who_has_missed_more_than_the_queue_holds_gets_all_of_it_on_one_connection(string transport)
    {
        await using var host = await StartAsync();
        string start = await PublishAsync(host);
        ITransport client = transport == "sse" ? new SseTransport() : new SignalRTransport(messagePack: false);
        await using var ann = await client.JoinAsync(host.Address, await host.TokenAsync("ann"), "general", start);
        for (int i = 1; i <= Messages; i++)
        {
            Assert.Equal(i, (await ann.NextAsync()).Offset);
        }
    }

    [Fact]
    public async Task Who_has_not_caught_up_yet_is_told_who_has_come_since_the_stream_began()
    {
        await using var host = await StartAsync();
        string start = await PublishAsync(host);
        using var ann = await host.RestAsync("ann");

        // Its messages are not read before bob is there.
        using var stream = await ann.GetAsync($"/events?room=general&lastEventId={start}", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        stream.EnsureSuccessStatusCode();
        await using var bob = await new SignalRTransport(messagePack: false).JoinAsync(host.Address, await host.TokenAsync("bob"), "general");
        while (!TellsOfBob((await bob.NextAsync("presence")).Body))
        {
            // Of ann, whom bob may be told of first.
        }

        var parser = SseParser.Create(await stream.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        await foreach (var item in parser.EnumerateAsync(TestContext.Current.CancellationToken))
        {
            if (item.EventType == "presence" && TellsOfBob(JsonElement.Parse(item.Data)))
            {
                return;
            }
        }

        Assert.Fail("The stream has ended.");

        static bool TellsOfBob(JsonElement presence) => presence.GetProperty("joined").EnumerateArray().Any(user => user.GetString() == "bob");
    }

    static Task<EmbeddedHost> StartAsync() => EmbeddedHost.StartAsync(("Realtime:Gateway:QueueBytes", "131072"));

    /// <summary>Fills the room; returns the cursor before all that.</summary>
    static async Task<string> PublishAsync(EmbeddedHost host)
    {
        var publisher = host.Services.GetRequiredService<RealtimePublisher>();
        string text = new('x', MessageBytes);
        string epoch = "";
        for (int i = 1; i <= Messages; i++)
        {
            epoch = (await publisher.ToRoomAsync("general", "message", text, cancellationToken: TestContext.Current.CancellationToken)).Epoch;
        }

        return $"{epoch}:0";
    }
}
