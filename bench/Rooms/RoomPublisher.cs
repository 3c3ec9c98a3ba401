using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using OrleansRealtime.Channels;
using OrleansRealtime.Rooms;

namespace OrleansRealtime.Bench;

/// <summary>
/// Publishes into one room as a gateway's uplink does: the next batch leaves when the last has been acknowledged. With more than one
/// call side by side it shows what that rule costs.
/// </summary>
sealed class RoomPublisher(IClusterClient cluster, IConfiguration settings)
{
    readonly int _batch = settings.GetValue("Batch", 256), _calls = settings.GetValue("Calls", 1), _payload = settings.GetValue("Payload", 200);
    readonly double _warmup = settings.GetValue("Warmup", 4.0), _seconds = settings.GetValue("Seconds", 6.0);
    readonly IRoomGrain _room = cluster.GetGrain<IRoomGrain>($"/:bench-{Guid.NewGuid():n}");
    Latencies _latencies = new();
    long _acknowledged, _refused, _newest;

    public async Task RunAsync()
    {
        var servers = new Processes($"silo={settings["Silo"]}");
        var auxiliaries = new Processes($"redis={settings["Redis"]}");
        using var stop = new CancellationTokenSource();
        var calls = Enumerable.Range(0, _calls).Select(_ => Task.Run(() => PublishAsync(stop.Token))).ToArray();
        await Task.Delay(TimeSpan.FromSeconds(_warmup));
        Volatile.Write(ref _latencies, new());
        long before = Interlocked.Read(ref _acknowledged);
        var usage = new Usage(servers, auxiliaries);
        await Task.Delay(TimeSpan.FromSeconds(_seconds));
        long acknowledged = Interlocked.Read(ref _acknowledged) - before;
        usage.Stop();
        await stop.CancelAsync();
        await Task.WhenAll(calls);

        double each = 1e6 / acknowledged;
        Console.WriteLine(JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["scenario"] = "room",
            ["peer"] = $"grain, {_calls} in flight",
            ["publishes_per_s"] = Math.Round(acknowledged / usage.Seconds),
            ["ack_p50_ms"] = _latencies.Milliseconds(0.5),
            ["ack_p99_ms"] = _latencies.Milliseconds(0.99),
            ["server_us"] = Math.Round(usage.Servers * each, 2),
            ["redis_us"] = Math.Round(usage.Auxiliaries * each, 2),
            ["load_us"] = Math.Round(usage.Self * each, 2),
            ["server_cores"] = Math.Round(usage.Servers / usage.Seconds, 2),
            ["redis_cores"] = Math.Round(usage.Auxiliaries / usage.Seconds, 2),
            ["load_cores"] = Math.Round(usage.Self / usage.Seconds, 2),
            ["other_cores"] = Math.Round(usage.Others / usage.Seconds, 2),
            ["refused"] = _refused,

            // Offsets have no holes: the newest says how many publications the log has.
            ["lost"] = _acknowledged - _newest,
        }));
    }

    async Task PublishAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            // New ones each time, as from a gateway's clients.
            var publications = Enumerable.Range(0, _batch).Select(i => NewPublication()).ToArray();
            long start = Clock.Now;
            var result = await _room.Submit(new GatewayBatch("bench", null, publications, [], PresenceIsComplete: false));
            lock (_room)
            {
                _latencies.Add(Clock.Now - start);
                foreach (var published in result.Published)
                {
                    bool accepted = published.Status == PublishStatus.Accepted;
                    _acknowledged += accepted ? 1 : 0;
                    _refused += accepted ? 0 : 1;
                    _newest = Math.Max(_newest, published.Offset);
                }
            }
        }
    }

    Publication NewPublication() =>
        new("message", new Payload(PayloadKind.Json, Encoding.UTF8.GetBytes('"' + new string('x', _payload - 2) + '"')), From: "user-1");
}
