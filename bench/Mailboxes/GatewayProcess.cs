using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OrleansRealtime.Gateways;
using OrleansRealtime.Redis;

namespace OrleansRealtime.Bench.Mailboxes;

/// <summary>A gateway that only counts what comes, and measures how long it took.</summary>
static class GatewayProcess
{
    public static async Task<int> RunAsync(string transport, string redis, string id)
    {
        var builder = Transports.Builder(redis);
        builder.UseOrleansClient(client =>
        {
            client.UseRedisClustering(_ => { });
            Transports.AddTo(client, transport);
        });
        using var host = builder.Build();
        await host.Services.GetRequiredService<RedisConnection>().GetAsync();
        await host.StartAsync();
        var gate = new Lock();
        var delays = new List<double>();
        long events = 0, batches = 0;
        await Transports.SubscribeAsync(transport, host.Services, id, batch =>
        {
            long now = Stopwatch.GetTimestamp();
            lock (gate)
            {
                batches++;
                foreach (var mailboxEvent in batch.Events)
                {
                    events++;
                    if (delays.Count < 1_000_000)
                    {
                        delays.Add(Stopwatch.GetElapsedTime(((ChannelMessages)mailboxEvent).Messages[0].Time, now).TotalMilliseconds);
                    }
                }
            }
        });
        Console.WriteLine("ready");
        while (await Console.In.ReadLineAsync() is { } line)
        {
            string answer;
            lock (gate)
            {
                if (line == "reset")
                {
                    (events, batches) = (0, 0);
                    delays.Clear();
                }

                answer = $"{events} {batches}";
                if (line == "delays")
                {
                    delays.Sort();
                    answer = delays.Count == 0
                        ? "- -"
                        : string.Create(CultureInfo.InvariantCulture, $"{delays[delays.Count / 2]:0.00} {delays[(int)(delays.Count * 0.99)]:0.00}");
                }
            }

            await Console.Out.WriteLineAsync(answer);
        }

        await host.StopAsync();
        return 0;
    }
}
