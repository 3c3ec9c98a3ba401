using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using OrleansRealtime.Hosting;

namespace OrleansRealtime.Bench.Mailboxes;

/// <summary>Starts Redis, a silo and two gateways for each transport in turn, and prints a table.</summary>
static class Coordinator
{
    const int PaceEvents = 1_000;
    const int PaceSeconds = 5;
    const int IdleSeconds = 5;
    const int FloodSeconds = 5;

    /// <summary>Events that may be on their way in a flood: more would overflow something somewhere, and this measures delivery.</summary>
    const int FloodWindow = 40_000;

    const int FloodPost = 2_000;

    public static async Task<int> RunAsync()
    {
        Console.WriteLine("| transport | 1,000/s: p50 ms | p99 ms | silo µs CPU/event | gateway µs | Redis µs | flood: events/s | events a batch | idle: silo CPU % | Redis % |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string transport in Transports.All)
        {
            Console.WriteLine(await MeasureAsync(transport));
        }

        return 0;
    }

    static async Task<string> MeasureAsync(string transport)
    {
        int port = FreePort.Next();
        var folder = Directory.CreateTempSubdirectory("bench-mailboxes-");
        using var redis = Process.Start(new ProcessStartInfo(
            "redis-server", ["--port", $"{port}", "--bind", "127.0.0.1", "--dir", folder.FullName, "--save", "", "--appendonly", "yes"])
        { RedirectStandardOutput = true })!;
        var processes = new List<Worker>();
        try
        {
            redis.BeginOutputReadLine();
            await ConnectableAsync(port);
            var silo = await Worker.StartAsync("silo", transport, $"127.0.0.1:{port}");
            processes.Add(silo);
            var gateways = new List<Worker>();
            foreach (string id in new[] { "one", "two" })
            {
                gateways.Add(await Worker.StartAsync("gateway", transport, $"127.0.0.1:{port}", id));
                processes.Add(gateways[^1]);
            }

            await silo.AskAsync("gateways one two");

            // Warm: streams registered, code compiled.
            await silo.AskAsync("pace 2000 4");
            await ArrivedAsync(gateways, 8_000);

            foreach (var gateway in gateways)
            {
                await gateway.AskAsync("reset");
            }

            var (siloCpu, gatewayCpu, redisCpu) = (silo.Cpu, gateways.Sum(g => g.Cpu), Cpu(redis));
            await silo.AskAsync($"pace {PaceEvents} {PaceSeconds}");
            long arrived = await ArrivedAsync(gateways, PaceEvents * PaceSeconds);
            (siloCpu, gatewayCpu, redisCpu) = (silo.Cpu - siloCpu, gateways.Sum(g => g.Cpu) - gatewayCpu, Cpu(redis) - redisCpu);
            string[] delays = (await gateways[0].AskAsync("delays")).Split(' ');

            var (perSecond, perBatch) = await FloodAsync(silo, gateways);

            await Task.Delay(TimeSpan.FromSeconds(1));
            var (siloIdle, redisIdle) = (silo.Cpu, Cpu(redis));
            await Task.Delay(TimeSpan.FromSeconds(IdleSeconds));
            (siloIdle, redisIdle) = (silo.Cpu - siloIdle, Cpu(redis) - redisIdle);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"| {transport} | {delays[0]} | {delays[1]} | {siloCpu * 1e6 / arrived:0} | {gatewayCpu * 1e6 / arrived:0} | {redisCpu * 1e6 / arrived:0} | {perSecond:N0} | {perBatch:0} | {siloIdle / IdleSeconds * 100:0.0} | {redisIdle / IdleSeconds * 100:0.0} |");
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Dispose();
            }

            redis.Kill();
            await redis.WaitForExitAsync();
            folder.Delete(recursive: true);
        }
    }

    static async Task<(double PerSecond, double PerBatch)> FloodAsync(Worker silo, List<Worker> gateways)
    {
        foreach (var gateway in gateways)
        {
            await gateway.AskAsync("reset");
        }

        long start = Stopwatch.GetTimestamp();
        long posted = 0;
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < FloodSeconds)
        {
            if ((posted * gateways.Count) - await TotalAsync(gateways) <= FloodWindow)
            {
                await silo.AskAsync($"post {FloodPost}");
                posted += FloodPost;
            }
        }

        long total = await TotalAsync(gateways);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        long batches = 0;
        foreach (var gateway in gateways)
        {
            batches += long.Parse((await gateway.AskAsync("count")).Split(' ')[1], CultureInfo.InvariantCulture);
        }

        await ArrivedAsync(gateways, posted);
        return (total / seconds, (double)total / batches);
    }

    /// <summary>Waits until each gateway has as many events, and returns how many there are of all; a while without any is the end, too.</summary>
    static async Task<long> ArrivedAsync(List<Worker> gateways, long each)
    {
        long start = Stopwatch.GetTimestamp();
        long total;
        while ((total = await TotalAsync(gateways)) < each * gateways.Count && Stopwatch.GetElapsedTime(start).TotalSeconds < 5)
        {
            await Task.Delay(10);
        }

        return total;
    }

    static async Task<long> TotalAsync(List<Worker> gateways)
    {
        long total = 0;
        foreach (var gateway in gateways)
        {
            total += long.Parse((await gateway.AskAsync("count")).Split(' ')[0], CultureInfo.InvariantCulture);
        }

        return total;
    }

    static double Cpu(Process process)
    {
        process.Refresh();
        return process.TotalProcessorTime.TotalSeconds;
    }

    static async Task ConnectableAsync(int port)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync("127.0.0.1", port);
                return;
            }
            catch (SocketException) when (attempt < 100)
            {
                await Task.Delay(50);
            }
        }
    }

    /// <summary>This program in another role.</summary>
    sealed class Worker : IDisposable
    {
        readonly Process _process;

        Worker(Process process) => _process = process;

        public double Cpu => Coordinator.Cpu(_process);

        public static async Task<Worker> StartAsync(params string[] arguments)
        {
            var worker = new Worker(Process.Start(new ProcessStartInfo(Environment.ProcessPath!, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!);
            await worker._process.StandardOutput.ReadLineAsync();
            return worker;
        }

        public async Task<string> AskAsync(string command)
        {
            await _process.StandardInput.WriteLineAsync(command);
            return await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The process has ended.");
        }

        public void Dispose()
        {
            _process.Kill();
            _process.WaitForExit();
            _process.Dispose();
        }
    }
}
