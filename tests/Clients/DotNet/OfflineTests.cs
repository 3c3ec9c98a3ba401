using OrleansRealtime.Client;
using OrleansRealtime.Client.Storage;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>The .NET client while the server, or the network, is away.</summary>
public sealed class OfflineTests : IAsyncLifetime
{
    readonly TestClients _clients = new();
    readonly string _folder = Directory.CreateTempSubdirectory("realtime-client-").FullName;

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Who_was_offline_gets_exactly_what_was_missed_and_what_was_queued_is_sent_once_and_in_order()
    {
        await using var host = await EmbeddedHost.StartAsync();
        using var network = new Network();
        var ann = await _clients.ConnectAsync(host.Address, await host.TokenAsync("ann"));
        var bob = await _clients.ConnectAsync(host.Address, await host.TokenAsync("bob"), network);
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        await bob.Room("general").JoinAsync(cancellationToken: Stop);
        await using var anns = new Reading(ann.Room("general").ReadAllAsync(cancellationToken: Stop));
        await using var bobs = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop));
        await using var inbox = new Reading(bob.Inbox.ReadAllAsync(cancellationToken: Stop));
        await ann.Room("general").SendAsync("before", cancellationToken: Stop);
        await bobs.TextsAsync(1);

        network.GoDown();
        await Eventually.True("bob has noticed", () => bob.State == ConnectionState.Reconnecting);
        var queued = Enumerable.Range(1, 20).Select(i => bob.Room("general").Send($"queued {i}")).ToList();
        Assert.All(queued, message => Assert.Equal(SentState.Queued, message.State));
        Assert.Equal(20, bob.Unsent.Count);
        Assert.Equal(
            RealtimeClientErrors.ConnectionLost,
            Assert.Throws<RealtimeClientException>(() => bob.Room("general").Send("typing", new() { Delivery = "transient" })).Code);
        Assert.True(queued[10].Discard());
        for (int i = 1; i <= 150; i++)
        {
            ann.Room("general").Send($"missed {i}");
        }

        await ann.Room("general").SendAsync("missed last", cancellationToken: Stop);
        await ann.Direct("bob").SendAsync("missed in the inbox", cancellationToken: Stop);

        network.ComeBack();
        await Task.WhenAll(queued.Where(message => message.State != SentState.Failed).Select(message => message.Kept)).WaitAsync(Stop);
        string[] expected =
        [
            "before", .. Enumerable.Range(1, 150).Select(i => $"missed {i}"), "missed last", .. Enumerable.Range(1, 20).Where(i => i != 11).Select(i => $"queued {i}"),
        ];
        Assert.Equal(expected, await bobs.TextsAsync(expected.Length));
        Assert.Equal(expected, await anns.TextsAsync(expected.Length));
        Assert.Equal(["missed in the inbox"], await inbox.TextsAsync(1));
        Assert.Equal(1, bob.Info.Reconnects);
        Assert.Empty(bob.Unsent);
    }

    [Fact]
    public async Task A_killed_server_loses_nothing_that_was_on_its_way()
    {
        await using var server = await ServerProcess.StartAsync();
        var (ann, bob) = (Client("ann"), Client("bob"));
        await ann.ConnectAsync(Stop);
        await bob.ConnectAsync(Stop);
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        await bob.Room("general").JoinAsync(cancellationToken: Stop);
        await using var bobs = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop));

        // Some are kept, one is on its way, and the others wait when the process dies.
        var sent = Enumerable.Range(1, 300).Select(i => ann.Room("general").Send(i)).ToList();
        await sent[20].Kept.WaitAsync(Stop);
        await server.KillAsync();
        var more = Enumerable.Range(301, 50).Select(i => ann.Room("general").Send(i)).ToList();
        await server.RestartAsync();

        var kept = await Task.WhenAll(sent.Concat(more).Select(message => message.Kept)).WaitAsync(Stop);
        var all = Enumerable.Range(1, 350).Select(i => $"{i}").ToList();
        Assert.Equal(all, await bobs.TextsAsync(350));
        Assert.Equal(Enumerable.Range(1, 350).Select(o => (long)o), kept.Select(k => k.Offset));
        var history = await server.HistoryAsync(await server.TokenAsync("watcher"), "general");
        Assert.Equal(all, history.Select(m => m.GetProperty("data").ToString()));

        // The key of development tokens is new at every start, so the old ones are refused and new ones fetched.
        RealtimeClient Client(string user) =>
            _clients.Create(new() { Url = server.Address, GetToken = (_, _) => server.TokenAsync(user), Backoff = TestClients.Soon });
    }

    [Fact]
    public async Task What_a_client_has_not_sent_and_where_it_was_outlive_its_process()
    {
        await using var host = await EmbeddedHost.StartAsync();
        string file = Path.Combine(_folder, "store");
        using var network = new Network();
        var ann = await _clients.ConnectAsync(host.Address, await host.TokenAsync("ann"));
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        using (var store = new FileStore(file))
        {
            var bob = Client(store);
            await bob.ConnectAsync(Stop);
            await bob.Room("general").JoinAsync(cancellationToken: Stop);
            await ann.Room("general").SendAsync("read", cancellationToken: Stop);
            await ann.Direct("bob").SendAsync("read, too", cancellationToken: Stop);
            await using (var reading = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop)))
            await using (var inbox = new Reading(bob.Inbox.ReadAllAsync(cancellationToken: Stop)))
            {
                await reading.TextsAsync(1);
                await inbox.TextsAsync(1);
            }

            network.GoDown();
            await Eventually.True("bob has noticed", () => bob.State == ConnectionState.Reconnecting);
            bob.Room("general").Send("unsent 1");
            bob.Direct("ann").Send("unsent 2");
            bob.Room("general").Send("unsent 3");
            await bob.DisposeAsync();
        }

        await ann.Room("general").SendAsync("missed", cancellationToken: Stop);
        await ann.Direct("bob").SendAsync("missed, too", cancellationToken: Stop);
        network.ComeBack();
        using (var store = new FileStore(file))
        {
            var bob = Client(store);
            await bob.ConnectAsync(Stop);
            Assert.True(bob.Unsent.Count <= 3);
            await bob.Room("general").JoinAsync(cancellationToken: Stop);
            await using var reading = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop));
            await using var inbox = new Reading(bob.Inbox.ReadAllAsync(cancellationToken: Stop));
            Assert.Equal("missed", (await reading.TextsAsync(1))[0]);
            Assert.Equal(["missed, too"], await inbox.TextsAsync(1));
            Assert.Equal(["unsent 2"], (await AnnsInboxAsync()).Select(m => m.Data.ToString()));
        }

        RealtimeClient Client(FileStore store) => _clients.Create(new()
        {
            Url = host.Address,
            GetToken = (_, _) => host.TokenAsync("bob"),
            Backoff = TestClients.Soon,
            MessageHandler = network.Handler,
            Storage = store,
        });

        async Task<IReadOnlyList<RealtimeMessage>> AnnsInboxAsync()
        {
            IReadOnlyList<RealtimeMessage> messages = [];
            await Eventually.True("ann has the direct message", async () => (messages = (await ann.Inbox.HistoryAsync(cancellationToken: Stop)).Messages).Count > 0);
            return messages;
        }
    }

    [Fact]
    public async Task What_is_sent_before_the_first_connection_outlives_the_process_where_the_user_is_known()
    {
        await using var host = await EmbeddedHost.StartAsync();
        using var network = new Network();
        using var store = new FileStore(Path.Combine(_folder, "store"));
        network.GoDown();
        var offline = Client();
        var connecting = offline.ConnectAsync(Stop);
        offline.Direct("ann").Send("hello");
        await offline.DisposeAsync();
        Assert.Equal(RealtimeClientErrors.Closed, (await Assert.ThrowsAsync<RealtimeClientException>(() => connecting)).Code);

        network.ComeBack();
        var bob = Client();
        Assert.Equal("hello", Assert.Single(bob.Unsent).Data.GetString());
        await bob.ConnectAsync(Stop);
        var ann = await _clients.ConnectAsync(host.Address, await host.TokenAsync("ann"));
        await using var inbox = new Reading(ann.Inbox.ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["hello"], await inbox.TextsAsync(1));
        Assert.Equal("bob", inbox.Messages[0].From);

        RealtimeClient Client() => _clients.Create(new()
        {
            Url = host.Address,
            User = "bob",
            GetToken = (_, _) => host.TokenAsync("bob"),
            Backoff = TestClients.Soon,
            MessageHandler = network.Handler,
            Storage = store,
        });
    }

    [Fact]
    public async Task A_gap_is_reported_once_and_reading_goes_on_after_it()
    {
        await using var host = await EmbeddedHost.StartAsync(("Realtime:Channels:Rooms:Count", "10"));
        using var network = new Network();
        var ann = await _clients.ConnectAsync(host.Address, await host.TokenAsync("ann"));
        var bob = await _clients.ConnectAsync(host.Address, await host.TokenAsync("bob"), network);
        var gaps = new List<MessageGap>();
        bob.GapDetected += gap =>
        {
            lock (gaps)
            {
                gaps.Add(gap);
            }
        };
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        await bob.Room("general").JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(bob.Room("general").ReadAllAsync(cancellationToken: Stop));
        await ann.Room("general").SendAsync(1, cancellationToken: Stop);
        await reading.TextsAsync(1);
        network.GoDown();
        await Eventually.True("bob has noticed", () => bob.State == ConnectionState.Reconnecting);
        for (int i = 2; i <= 200; i++)
        {
            await ann.Room("general").SendAsync(i, cancellationToken: Stop);
        }

        network.ComeBack();
        await Eventually.True("the newest has come", () => reading.Texts[^1] == "200", () => string.Join(", ", reading.Texts));
        var offsets = reading.Messages.Skip(1).Select(m => m.Offset!.Value).ToList();
        Assert.Equal(Enumerable.Range((int)offsets[0], offsets.Count).Select(o => (long)o), offsets);
        Assert.InRange(offsets[0], 100, 191);
        var gap = Assert.Single(gaps);
        Assert.Equal(("general", $"{reading.Messages[1].Epoch}:{offsets[0] - 1}"), (gap.Room, gap.Cursor));
    }

    [Fact]
    public async Task What_may_have_been_kept_is_not_sent_again_when_the_server_would_not_know_it_any_more()
    {
        await using var server = await ServerProcess.StartAsync();
        using var network = new Network();
        var ann = _clients.Create(new()
        {
            Url = server.Address,
            Token = await server.TokenAsync("ann"),
            Backoff = TestClients.Soon,
            MessageHandler = network.Handler,
            DeduplicationWindow = TimeSpan.Zero,
        });
        await ann.ConnectAsync(Stop);
        await ann.Room("general").JoinAsync(cancellationToken: Stop);
        server.Pause();
        var direct = ann.Direct("bob").Send("perhaps");
        var inRoom = ann.Room("general").Send("certainly");
        await Eventually.True("both are on their way", () => (direct.State, inRoom.State) == (SentState.Sending, SentState.Sending));
        network.GoDown();
        await Eventually.True("the client has noticed", () => ann.State == ConnectionState.Reconnecting);
        server.Resume();
        network.ComeBack();

        // What was kept in a room comes back from it, so that what does not has not been kept.
        await inRoom.Kept.WaitAsync(Stop);
        Assert.Equal(["certainly"], (await ann.Room("general").HistoryAsync(cancellationToken: Stop)).Messages.Select(m => m.Data.ToString()));
        Assert.Equal(RealtimeClientErrors.Unconfirmed, (await Assert.ThrowsAsync<RealtimeClientException>(() => direct.Kept.WaitAsync(Stop))).Code);
        Assert.Empty(ann.Unsent);
    }

    [Fact]
    public async Task The_outbox_is_bounded()
    {
        await using var host = await EmbeddedHost.StartAsync();
        var client = _clients.Create(new() { Url = host.Address, Token = await host.TokenAsync("ann"), OutboxLimit = 3 });
        for (int i = 0; i < 3; i++)
        {
            client.Direct("bob").Send(i);
        }

        Assert.Equal(RealtimeClientErrors.OutboxFull, Assert.Throws<RealtimeClientException>(() => client.Direct("bob").Send(3)).Code);
        await client.ConnectAsync(Stop);
        await Eventually.True("all are sent", () => client.Unsent.Count == 0);
        Assert.Equal(4, (await client.Direct("bob").SendAsync(3, cancellationToken: Stop)).Offset);
    }
}
