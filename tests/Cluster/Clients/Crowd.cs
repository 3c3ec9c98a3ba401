using System.Text.Json;
using OrleansRealtime.Tests.Cluster.Records;
using OrleansRealtime.Tests.Processes;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>How many clients there are.</summary>
/// <param name="Rooms">Rooms, each with members of its own.</param>
/// <param name="Members">Members of each room; they alternate between the transports and the gateways.</param>
/// <param name="Visitors">Users who are in no room and follow their inbox; under load they come and go.</param>
sealed record CrowdSize(int Rooms, int Members, int Visitors);

/// <summary>
/// Real clients of a cluster: members of rooms who publish to them and to visitors' inboxes. It knows what all of them were promised
/// and have seen, and finds at the end whether the cluster has kept its word.
/// </summary>
sealed class Crowd : IAsyncDisposable
{
    /// <summary>How long everything may take to arrive once nothing fails any more.</summary>
    static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(45);

    readonly RealtimeCluster _cluster;
    readonly string _name = Guid.NewGuid().ToString("n")[..8];
    readonly Random _random;
    readonly List<RoamingClient> _members = [];
    readonly List<RoamingClient> _visitors = [];
    readonly List<Task> _load = [];
    readonly CancellationTokenSource _loadEnds = new();
    readonly NodeClients _node = new();
    int _published;

    Crowd(RealtimeCluster cluster, int seed) => (_cluster, _random) = (cluster, new Random(seed));

    public Ledger Ledger { get; } = new();

    public Chronicle Chronicle { get; } = new();

    public IReadOnlyList<RoamingClient> Members => _members;

    public IReadOnlyList<RoamingClient> Visitors => _visitors;

    public IEnumerable<RoamingClient> Clients => _members.Concat(_visitors);

    /// <summary>Connects all clients; half of each kind to each gateway.</summary>
    public static async Task<Crowd> ComeAsync(RealtimeCluster cluster, CrowdSize size, int seed = 1)
    {
        var crowd = new Crowd(cluster, seed);
        await crowd._node.InitializeAsync();
        OpenConnection socketIo = (gateway, visit, cancellationToken) => SocketIoChat.OpenAsync(crowd._node, gateway, visit, cancellationToken);
        OpenConnection[] ofMembers = [SignalRChat.OpenAsync, SseChat.OpenAsync, socketIo], ofVisitors = [SignalRChat.OpenAsync, SseChat.OpenAsync];
        using var rest = new RestApi(cluster.Addresses[0]);
        for (int i = 0; i < size.Rooms * size.Members; i++)
        {
            var (number, room) = Math.DivRem(i, size.Rooms);
            crowd._members.Add(await NewClientAsync($"member-{crowd._name}-{i}", $"room-{crowd._name}-{room}", number, ofMembers[(number + room) % 3]));
        }

        for (int i = 0; i < size.Visitors; i++)
        {
            crowd._visitors.Add(await NewClientAsync($"visitor-{crowd._name}-{i}", null, i, ofVisitors[i % 2]));
        }

        await Task.WhenAll(crowd.Clients.Select(c => c.ComeAsync()));
        return crowd;

        async Task<RoamingClient> NewClientAsync(string user, string? room, int number, OpenConnection open)
        {
            var visit = new Visit(user, await rest.TokenAsync(user, "&expiresIn=86400"), room, inbox: room is null, crowd.Chronicle);
            return new(visit, open, () => cluster.Addresses, number / 2, crowd.Ledger);
        }
    }

    /// <summary>Every member publishes to its room, one message after the other; returns when all are acknowledged.</summary>
    public Task PublishAsync(int each = 1) => Task.WhenAll(_members.Select(async member =>
    {
        for (int i = 0; i < each; i++)
        {
            await PublishAsync(member, member.Visit.Room!.Channel);
        }
    }));

    /// <summary>Every visitor is sent a direct message; returns when all are acknowledged.</summary>
    public Task PublishDirectAsync() => Task.WhenAll(_visitors.Select(v => PublishAsync(_members[0], v.Visit.Inbox!.Channel)));

    /// <summary>Publishes a message and tells whether all members of its room have it so soon.</summary>
    public async Task<bool> IsDeliveredAsync(TimeSpan soon)
    {
        var publisher = _members[0];
        await PublishAsync(publisher, publisher.Visit.Room!.Channel);
        var place = Ledger.Acknowledged.Last().Place;
        var records = _members.Select(m => m.Visit.Room!).Where(r => r.Channel == publisher.Visit.Room!.Channel).ToList();
        return await Eventually.Holds(() => Task.FromResult(records.All(r => r.Cursor == place)), soon);
    }

    /// <summary>From now on members publish at this interval, and visitors come and go.</summary>
    public void BeginLoad(TimeSpan interval)
    {
        _load.AddRange(_members.Select(m => Task.Run(() => PublishOnAsync(m, interval, new Random(_random.Next())))));
        _load.AddRange(_visitors.Select(v => Task.Run(() => ComeAndGoAsync(v, new Random(_random.Next())))));
    }

    /// <summary>Completes when what has been begun is acknowledged, and all visitors are there.</summary>
    public async Task EndLoadAsync()
    {
        await _loadEnds.CancelAsync();
        await Task.WhenAll(_load);
    }

    /// <summary>Waits until everybody has everything, and finds what is wrong.</summary>
    public async Task<Verdict> CheckAsync()
    {
        using var rest = new RestApi(_cluster.Addresses[0]);
        await Eventually.Holds(() => Task.FromResult(Clients.All(c => c.IsConnected)), SettleLimit);
        var logs = new Dictionary<string, IReadOnlyList<LogEntry>>();
        foreach (var client in Clients)
        {
            foreach (var record in client.Visit.Records)
            {
                logs[record.Channel] = logs.GetValueOrDefault(record.Channel) ?? await LogAsync(rest, record.Channel, client.Visit.Token);
            }
        }

        var records = Clients.SelectMany(c => c.Visit.Records).ToList();
        await Eventually.Holds(() => Task.FromResult(records.All(r => HasAll(r, logs[r.Channel]))), SettleLimit);
        var violations = Checker.Check(logs, Ledger, records).ToList();
        violations.AddRange(await CheckPresenceAsync(rest));
        return new(violations, records, logs, Ledger, Chronicle);
    }

    /// <summary>Fails with what is wrong.</summary>
    public async Task HasLostNothingAsync()
    {
        var verdict = await CheckAsync();
        Assert.True(verdict.IsGood, verdict.Explain());
    }

    public async ValueTask DisposeAsync()
    {
        await _loadEnds.CancelAsync();
        await Task.WhenAll(_load);
        await Task.WhenAll(Clients.Select(c => c.DisposeAsync().AsTask()));
        await _node.DisposeAsync();
        _loadEnds.Dispose();
    }

    static bool HasAll(MemberRecord record, IReadOnlyList<LogEntry> log) =>
        log is not [.., var last] || (record.Cursor is { } cursor && cursor.Epoch == last.Place.Epoch && cursor.Offset >= last.Place.Offset);

    static async Task<IReadOnlyList<LogEntry>> LogAsync(RestApi rest, string channel, string token)
    {
        string path = RestApi.MessagesOf(channel);
        return
        [
            .. (await rest.AllAsync(path, token)).Select(m => new LogEntry(
                Place.Parse(m.GetProperty("cursor").GetString()!),
                m.TryGetProperty("messageId", out var id) ? id.GetString() : null)),
        ];
    }

    /// <summary>Each room's members are those who are connected, each once.</summary>
    async Task<IReadOnlyList<Violation>> CheckPresenceAsync(RestApi rest)
    {
        List<Violation> wrong = [];
        await Eventually.Holds(
            async () =>
            {
                var found = new List<Violation>();
                foreach (var room in _members.GroupBy(m => m.Visit.RoomName!))
                {
                    var truth = room.Where(m => m.IsConnected).Select(m => $"{m.Visit.User} x 1").Order();
                    var presence = await rest.GetAsync($"/api/rooms/{room.Key}/presence", room.First().Visit.Token);
                    var told = presence.GetProperty("list").EnumerateArray().Select(Present).Order();
                    if (!told.SequenceEqual(truth))
                    {
                        string difference = $"there: {string.Join(", ", truth)}; told: {string.Join(", ", told)}";
                        found.Add(new(ViolationKind.Presence, $"room:{room.Key}", "presence", difference, DateTime.UtcNow));
                    }
                }

                wrong = found;
                return wrong.Count == 0;
            },
            SettleLimit);
        return wrong;
    }

    static string Present(JsonElement member) => $"{member.GetProperty("user").GetString()} x {member.GetProperty("connections").GetInt32()}";

    async Task PublishOnAsync(RoamingClient member, TimeSpan interval, Random random)
    {
        using var timer = new PeriodicTimer(interval);
        while (await TicksAsync(timer))
        {
            // One message in four is a direct one.
            bool direct = _visitors.Count > 0 && random.Next(4) == 0;
            await PublishAsync(member, direct ? _visitors[random.Next(_visitors.Count)].Visit.Inbox!.Channel : member.Visit.Room!.Channel);
        }
    }

    async Task ComeAndGoAsync(RoamingClient visitor, Random random)
    {
        while (!_loadEnds.IsCancellationRequested)
        {
            await StayAsync(TimeSpan.FromSeconds(2 + (random.NextDouble() * 4)));
            await visitor.LeaveAsync();
            await StayAsync(TimeSpan.FromSeconds(1 + (random.NextDouble() * 4)));
            await visitor.ComeAsync();
        }
    }

    async Task StayAsync(TimeSpan time)
    {
        try
        {
            await Pause.ForAsync(time, _loadEnds.Token);
        }
        catch (OperationCanceledException)
        {
            // The load ends.
        }
    }

    async Task<bool> TicksAsync(PeriodicTimer timer)
    {
        try
        {
            return await timer.WaitForNextTickAsync(_loadEnds.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    Task<bool> PublishAsync(RoamingClient member, string channel) =>
        member.PublishAsync(channel, $"{member.Visit.User}-{Interlocked.Increment(ref _published)}");
}
