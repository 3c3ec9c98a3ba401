using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;
using OrleansRealtime.Hosting;
using OrleansRealtime.Mailboxes;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Bench.Mailboxes;

/// <summary>The silo, which posts events into outboxes as its grains would. Commands come line by line, and each is answered with a line.</summary>
static class SiloProcess
{
    static readonly Payload Data = new(PayloadKind.Binary, new byte[200]);
    static readonly ChannelId Lobby = new(ChannelKind.Room, "/:lobby");

    public static async Task<int> RunAsync(string transport, string redis)
    {
        var builder = Transports.Builder(redis);
        builder.UseOrleans(silo =>
        {
            silo.UseRedisClustering(_ => { });
            silo.ConfigureEndpoints(System.Net.IPAddress.Loopback, FreePort.Next(), FreePort.Next());
            silo.Services.AddSingleton<MailboxSubscriptions>();
            silo.AddMemoryGrainStorage("PubSubStore");
            Transports.AddTo(silo, transport);
        });
        using var host = builder.Build();
        await host.Services.GetRequiredService<RedisConnection>().GetAsync();
        await host.StartAsync();
        Console.WriteLine("ready");
        Outbox[] outboxes = [];
        while (await Console.In.ReadLineAsync() is { } line)
        {
            switch (line.Split(' '))
            {
                case ["gateways", .. var ids]:
                    outboxes = Array.ConvertAll(ids, id => new Outbox(
                        id, Transports.Sender(transport, host.Services, id), new GatewayLeaseOptions(), TimeProvider.System, NullLogger.Instance));
                    break;
                case ["pace", var perSecond, var seconds]:
                    await PaceAsync(outboxes, int.Parse(perSecond, CultureInfo.InvariantCulture), int.Parse(seconds, CultureInfo.InvariantCulture));
                    break;
                case ["post", var count]:
                    for (int i = int.Parse(count, CultureInfo.InvariantCulture); i > 0; i--)
                    {
                        Post(outboxes);
                    }

                    break;
            }

            await Console.Out.WriteLineAsync("done");
        }

        await host.StopAsync();
        return 0;
    }

    /// <summary>Events one by one, evenly in time as far as the clock's milliseconds allow.</summary>
    static async Task PaceAsync(Outbox[] outboxes, int perSecond, int seconds)
    {
        long start = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
        for (long posted = 0; posted < (long)perSecond * seconds;)
        {
            long due = (long)(Stopwatch.GetElapsedTime(start).TotalSeconds * perSecond);
            for (; posted < due; posted++)
            {
                Post(outboxes);
            }

            await timer.WaitForNextTickAsync();
        }
    }

    /// <summary>The time is in the stead of the message's own: ticks of the machine's clock, which all its processes share.</summary>
    static void Post(Outbox[] outboxes)
    {
        foreach (var outbox in outboxes)
        {
            var message = new Message(1, Stopwatch.GetTimestamp(), "message", Data, "ann", null, Delivery.Durable, null);
            outbox.Post(new ChannelMessages(Lobby, "epoch", new([message])));
        }
    }
}
