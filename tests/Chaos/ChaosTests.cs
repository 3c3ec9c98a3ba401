using System.Globalization;
using System.Text;
using OrleansRealtime.Tests.Cluster;
using OrleansRealtime.Tests.Cluster.Clients;
using OrleansRealtime.Tests.Cluster.Records;

namespace OrleansRealtime.Tests.Chaos;

/// <summary>
/// Real processes, real clients, and faults from a seed (docs/chaos.md). The environment chooses a longer or another run:
/// <c>CHAOS_SECONDS</c>, how long faults come (70); <c>CHAOS_SEED</c>, which faults (1); <c>CHAOS_REPORT</c>, a file to which the
/// summary is added.
/// </summary>
[Collection(AloneTests.Name)]
public sealed class ChaosTests(ITestOutputHelper output)
{
    static readonly CrowdSize Size = new(Rooms: 3, Members: 4, Visitors: 4);
    static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    /// <summary>A wait that the summary explains.</summary>
    static readonly TimeSpan Long = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Whatever_fails_what_was_acknowledged_reaches_every_member_once_and_in_order()
    {
        int seconds = Setting("CHAOS_SECONDS", 70), seed = Setting("CHAOS_SEED", 1);

        // A long run must not be trimmed, nor forget message ids before it has compared them.
        await using var cluster = await RealtimeCluster.StartAsync(
            settings:
            [
                ("Realtime:Channels:Rooms:Count", "10000000"),
                ("Realtime:Channels:Rooms:Bytes", "4000000000"),
                ("Realtime:Channels:Inboxes:Count", "10000000"),
                ("Realtime:Channels:Inboxes:Bytes", "4000000000"),
            ]);
        await using var crowd = await Crowd.ComeAsync(cluster, Size, seed);
        foreach (var node in cluster.Nodes)
        {
            node.EndedByItself += code => crowd.Chronicle.Write(Chronicle.Everybody, $"{node.Address.Port} ended by itself with exit code {code}");
        }

        crowd.BeginLoad(Interval);
        var faults = await new FaultInjector(cluster, crowd).RunAsync(
            Schedule.Create(seed, TimeSpan.FromSeconds(seconds)), TestContext.Current.CancellationToken);
        await crowd.EndLoadAsync();
        var verdict = await crowd.CheckAsync();
        string summary = Summarize(seed, seconds, faults, verdict, cluster);
        output.WriteLine(summary);
        if (Environment.GetEnvironmentVariable("CHAOS_REPORT") is { Length: > 0 } report)
        {
            await File.AppendAllTextAsync(report, summary + "\n", TestContext.Current.CancellationToken);
        }

        Assert.True(verdict.IsGood, $"Seed {seed}, {seconds} s.\n{summary}\n{verdict.Explain()}\n{Outputs(cluster)}");
    }

    static string Summarize(int seed, int seconds, IReadOnlyList<Injected> faults, Verdict verdict, RealtimeCluster cluster)
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        Line($"Chaos: seed {seed}, {seconds} s, {faults.Count} faults; {cluster.Nodes.Sum(n => n.SelfRestarts)} nodes ended by themselves and were restarted.");
        Line($"- acknowledged {verdict.Ledger.Acknowledged.Count}, delivered {verdict.Records.Sum(r => r.Entries.Count(e => e.Kind == EntryKind.Received))}");
        Line($"- lost {verdict.Count(ViolationKind.Lost, ViolationKind.WrongPlace)}, doubled {verdict.Count(ViolationKind.Doubled)}, reordered {verdict.Count(ViolationKind.Reordered)}");
        Line($"- never acknowledged {verdict.Count(ViolationKind.Unacknowledged)}, gaps told {verdict.Gaps}, other violations {verdict.Count(ViolationKind.Invented, ViolationKind.Error, ViolationKind.Presence)}");
        Line($"");
        Line($"| fault | count | longest wait for an acknowledgement | for a delivery after it |");
        Line($"| --- | --- | --- | --- |");
        var outages = Outages.Measure(faults, verdict);
        foreach (var (kind, count, publish, delivery) in outages)
        {
            Line($"| {kind} | {(count == 0 ? "" : count)} | {publish.Length.TotalSeconds:0.0} s | {delivery.Length.TotalSeconds:0.0} s |");
        }

        Line($"");
        foreach (var wait in outages.SelectMany(o => new[] { o.Publish, o.Delivery }).Where(w => w.Length > Long))
        {
            Line($"{wait.Client} waited {wait.Length.TotalSeconds:0.0} s for {wait.MessageId}, tried {wait.Attempts} times:");
            Line($"{verdict.Chronicle.Tell(wait.Client, wait.From)}");
        }

        return text.ToString();
    }

    /// <summary>What the processes have said last.</summary>
    static string Outputs(RealtimeCluster cluster) => string.Join('\n', cluster.Nodes.Select((n, i) =>
        $"---- node {i}, {n.Address.Port}\n{string.Join('\n', n.Output.Split('\n').TakeLast(60))}"));

    static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
