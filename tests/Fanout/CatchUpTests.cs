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
        await using var host = await EmbeddedHost.StartAsync(("Realtime:Gateway:QueueBytes", "131072"));
        var publisher = host.Services.GetRequiredService<RealtimePublisher>();
        string text = new('x', MessageBytes);
        string epoch = "";
        for (int i = 1; i <= Messages; i++)
        {
            epoch = (await publisher.ToRoomAsync("general", "message", text, cancellationToken: TestContext.Current.CancellationToken)).Epoch;
        }

        ITransport client = transport == "sse" ? new SseTransport() : new SignalRTransport(messagePack: false);
        await using var ann = await client.JoinAsync(host.Address, await host.TokenAsync("ann"), "general", $"{epoch}:0");
        for (int i = 1; i <= Messages; i++)
        {
            Assert.Equal(i, (await ann.NextAsync()).Offset);
        }
    }
}
