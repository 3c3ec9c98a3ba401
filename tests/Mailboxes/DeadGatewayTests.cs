using System.Diagnostics;
using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Contracts;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.Sse;

namespace OrleansRealtime.Tests.Mailboxes;

/// <summary>
/// The promise that a gateway which is dead or stopped delays no other by more than a second, with real processes: one gateway that is
/// stopped, one that is killed, one that starts while they are away, and one that is watched, all of one silo.
/// </summary>
[Collection(AloneTests.Name)]
public sealed class DeadGatewayTests
{
    /// <summary>Long enough for leases to lapse and for calls to the dead to time out.</summary>
    const int Messages = 450;

    static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task A_dead_or_stopped_gateway_delays_no_event_of_another_by_more_than_a_second()
    {
        await using var cluster = await RealtimeCluster.StartAsync(silos: 1, gateways: 3);
        var (watched, stopped, killed) = (cluster.Gateways[0], cluster.Gateways[1], cluster.Gateways[2]);
        using var rest = new RestApi(watched.Address);
        string token = await rest.TokenAsync("ann");
        var transport = new SseTransport();
        await using var watcher = await transport.JoinAsync(watched.Address, token, "lobby");
        await using var publisher = await transport.JoinAsync(watched.Address, await rest.TokenAsync("bob"), "lobby");
        await using var withStopped = await transport.JoinAsync(stopped.Address, token, "lobby");
        await using var withKilled = await transport.JoinAsync(killed.Address, token, "lobby");

        // The clients of all of them receive.
        await publisher.SendAsync("first");
        foreach (var client in new[] { watcher, withStopped, withKilled })
        {
            Assert.Equal("first", (await client.NextAsync()).Text);
        }

        var delays = new List<TimeSpan>();
        ITransportClient? late = null;
        using var pace = new PeriodicTimer(Pace);
        try
        {
            for (int i = 1; i <= Messages; i++)
            {
                if (i == 20)
                {
                    stopped.Pause();
                    await killed.KillAsync();
                }

                if (i == 100)
                {
                    // A gateway that comes when the others have gone waits for nobody either.
                    late = await transport.JoinAsync((await cluster.AddGatewayAsync()).Address, token, "lobby");
                }

                long sent = Stopwatch.GetTimestamp();
                await publisher.SendAsync($"{i}");
                Assert.Equal($"{i}", (await watcher.NextAsync()).Text);
                if (late is not null)
                {
                    Assert.Equal($"{i}", (await late.NextAsync()).Text);
                }

                delays.Add(Stopwatch.GetElapsedTime(sent));
                await pace.WaitForNextTickAsync(TestContext.Current.CancellationToken);
            }

            Assert.True(delays.Max() < TimeSpan.FromSeconds(1), $"{delays.Max()} at message {delays.IndexOf(delays.Max()) + 1}. {cluster.Silos[0].Output}");

            // The one that was stopped comes back, and its client gets what it has missed, once and in order.
            stopped.Resume();
            for (int i = 1; i <= Messages; i++)
            {
                Assert.Equal($"{i}", (await withStopped.NextAsync()).Text);
            }
        }
        finally
        {
            await (late?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
    }
}
