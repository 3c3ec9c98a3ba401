using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using OrleansRealtime.Client;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>When the client tries again, in a time that the test moves.</summary>
public sealed class BackoffTests
{
    [Fact]
    public void Delays_double_up_to_the_longest_with_jitter_and_end_after_the_attempts()
    {
        var backoff = new Backoff(new(), () => 0.5);
        double[] expected = [1.5, 2.5, 4.5, 8.5, 16.5, 30.5, 30.5, 30.5, 30.5, 30.5];
        Assert.Equal(expected.Select(s => (TimeSpan?)TimeSpan.FromSeconds(s)), Enumerable.Range(0, 10).Select(_ => backoff.Next()));
        Assert.Null(backoff.Next());
        backoff.Reset();
        Assert.Equal(TimeSpan.FromSeconds(1.5), backoff.Next());
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_tried_as_often_as_is_set_and_then_given_up_until_the_application_says_so()
    {
        var time = new FakeTimeProvider();
        using var network = new Network();
        network.GoDown();
        await using var client = new RealtimeClient(
            new() { Url = new("http://127.0.0.1:1"), Token = "none", Time = time, MessageHandler = network.Handler, Backoff = new() { Attempts = 4 } },
            () => 0.25);
        var waits = new List<(int Attempt, TimeSpan Wait)>();
        client.StateChanged += info =>
        {
            if (info.RetryAt is { } at)
            {
                lock (waits)
                {
                    waits.Add((info.Attempt, at - time.GetUtcNow()));
                }
            }
        };

        var connecting = client.ConnectAsync(TestContext.Current.CancellationToken);
        for (int i = 1; i <= 4; i++)
        {
            await Eventually.True($"attempt {i} has failed", () => waits.Count >= i, () => waits.Count);
            Assert.Equal(ConnectionState.Connecting, client.State);
            time.Advance(waits[i - 1].Wait);
        }

        var error = await Assert.ThrowsAsync<RealtimeClientException>(() => connecting);
        Assert.Equal(RealtimeClientErrors.Unreachable, error.Code);
        Assert.IsType<SocketException>(error.GetBaseException());
        Assert.Equal(ConnectionState.Failed, client.State);
        Assert.Equal([(1, 1.25), (2, 2.25), (3, 4.25), (4, 8.25)], waits.Select(w => (w.Attempt, w.Wait.TotalSeconds)));
        Assert.Equal(RealtimeClientErrors.Unreachable, (await Assert.ThrowsAsync<RealtimeClientException>(() => client.PingAsync(TestContext.Current.CancellationToken))).Code);

        var again = client.ReconnectAsync(TestContext.Current.CancellationToken);
        await Eventually.True("it tries again", () => waits.Count == 5, () => waits.Count);
        Assert.Equal((1, 1.25), (waits[4].Attempt, waits[4].Wait.TotalSeconds));
        await client.DisposeAsync();
        Assert.Equal(RealtimeClientErrors.Closed, (await Assert.ThrowsAsync<RealtimeClientException>(() => again)).Code);
        Assert.Equal(ConnectionState.Closed, client.State);
    }
}
