using System.Collections.Concurrent;
using OrleansRealtime.Client;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>A server with an application, whose clients are the tests'.</summary>
public sealed class ClientHost : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(events => events.Default
        .On<Order, Receipt>("order:create", (_, order) => Task.FromResult(new Receipt(order.Item, order.Amount * 250)))
        .On<string, int>("refuse", (_, text) => throw new RealtimeException(RealtimeErrorCode.NotAllowed, text))
        .On<int, string?>("ask", async (context, number) => await AskAsync(context.Connection!, number)));

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    static async Task<string?> AskAsync(Gateway.Fanout.ClientConnection connection, int number)
    {
        connection.Emit("asking", new { number });
        var answer = await connection.RequestAsync("double", null, CancellationToken.None, number);
        return $"it said {answer.Get<int>(0)}";
    }
}

public sealed record Order(string Item, int Amount);

public sealed record Receipt(string Item, int Cents);

/// <summary>The .NET client with a server that stays.</summary>
public sealed class ConnectionTests(ClientHost shared) : IClassFixture<ClientHost>, IAsyncLifetime
{
    readonly EmbeddedHost _host = shared.Host;
    readonly TestClients _clients = new();

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _clients.DisposeAsync();

    [Fact]
    public async Task Members_of_a_room_read_what_is_sent_in_its_order()
    {
        var (ann, bob) = (await ConnectAsync("ann"), await ConnectAsync("bob"));
        Assert.Equal(("ann", ConnectionState.Connected), (ann.User, ann.State));
        await ann.Room("ordered").JoinAsync(cancellationToken: Stop);
        await bob.Room("ordered").JoinAsync(cancellationToken: Stop);

        for (int i = 0; i < 100; i++)
        {
            ann.Room("ordered").Send(i);
        }

        var kept = await ann.Room("ordered").SendAsync(new { Text = "the last" }, cancellationToken: Stop);
        Assert.Equal(101, kept.Offset);
        Assert.Empty(ann.Unsent);

        // Read only now: nothing since the room was joined is missed.
        await using var reading = new Reading(bob.Room("ordered").ReadAllAsync(cancellationToken: Stop));
        await reading.TextsAsync(101);
        Assert.Equal(Enumerable.Range(1, 101).Select(o => (long?)o), reading.Messages.Select(m => m.Offset));
        Assert.Equal([.. Enumerable.Range(0, 100).Select(i => $"{i}"), """{"text":"the last"}"""], reading.Texts);
        Assert.All(reading.Messages, m => Assert.Equal(("ann", "ordered", "message"), (m.From, m.Room, m.Event)));

        var page = await bob.Room("ordered").HistoryAsync(new() { Limit = 2 }, Stop);
        Assert.Equal([100L, 101], page.Messages.Select(m => m.Offset!.Value));
        Assert.Equal([99L], (await bob.Room("ordered").HistoryAsync(new() { Before = 100, Limit = 1 }, Stop)).Messages.Select(m => m.Offset!.Value));
        Assert.True(await ann.PingAsync(Stop) > TimeSpan.Zero);
        Assert.NotNull(ann.Info.Latency);
    }

    [Fact]
    public async Task A_reader_that_stops_goes_on_there_and_one_beside_it_begins_now()
    {
        var ann = await ConnectAsync("ann");
        var room = ann.Room("reread");
        await room.JoinAsync(cancellationToken: Stop);
        string first = (await room.SendAsync(1, cancellationToken: Stop)).Cursor;
        await room.SendAsync(2, cancellationToken: Stop);
        await foreach (var message in room.ReadAllAsync(cancellationToken: Stop))
        {
            Assert.Equal("1", message.Data.ToString());
            break;
        }

        await using var second = new Reading(room.ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["2"], await second.TextsAsync(1));
        await using var beside = new Reading(room.ReadAllAsync(cancellationToken: Stop));
        await using var after = new Reading(room.ReadAllAsync(first, Stop));
        Assert.Equal(["2"], await after.TextsAsync(1));
        await room.SendAsync(3, cancellationToken: Stop);
        Assert.Equal(["3"], await beside.TextsAsync(1));
        Assert.Equal(["2", "3"], await second.TextsAsync(2));
        Assert.Equal(["2", "3"], await after.TextsAsync(2));

        await room.LeaveAsync(Stop);
        Assert.False(room.IsJoined);
        Assert.Equal("not_a_member", (await Assert.ThrowsAsync<RealtimeClientException>(() => room.SendAsync(4, cancellationToken: Stop))).Code);
    }

    [Fact]
    public async Task A_reader_that_is_slower_than_its_room_loses_nothing_and_holds_up_nobody()
    {
        var ann = await ConnectAsync("ann");
        var slow = _clients.Create(new() { Url = _host.Address, Token = await _host.TokenAsync("slow"), ReaderBuffer = 4 });
        await slow.ConnectAsync(Stop);
        await slow.Room("slow").JoinAsync(cancellationToken: Stop);
        await ann.Room("slow").JoinAsync(cancellationToken: Stop);
        await using var beside = new Reading(slow.Room("slow").ReadAllAsync(cancellationToken: Stop));
        var read = new List<string>();
        await foreach (var message in slow.Room("slow").ReadAllAsync($"{(await ann.Room("slow").SendAsync(0, cancellationToken: Stop)).Epoch}:0", Stop))
        {
            read.Add(message.Data.ToString());
            if (read.Count == 1)
            {
                // Five times what fits into its buffer, while it does not read.
                for (int i = 1; i <= 20; i++)
                {
                    await ann.Room("slow").SendAsync(i, cancellationToken: Stop);
                }

                await beside.TextsAsync(21);
            }

            if (read.Count == 21)
            {
                break;
            }
        }

        Assert.Equal(Enumerable.Range(0, 21).Select(i => $"{i}"), read);
        Assert.Equal(read, beside.Texts);
    }

    [Fact]
    public async Task Values_and_transient_messages_come_and_a_late_reader_gets_the_newest_value()
    {
        var (ann, bob) = (await ConnectAsync("ann"), await ConnectAsync("bob"));
        await ann.Room("values").JoinAsync(cancellationToken: Stop);
        await ann.Room("values").SendAsync("here", new() { Event = "place", Delivery = "latest", Key = "ann" }, Stop);
        await ann.Room("values").SendAsync("there", new() { Event = "place", Delivery = "latest", Key = "ann" }, Stop);
        await bob.Room("values").JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(bob.Room("values").ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["there"], await reading.TextsAsync(1));
        await ann.Room("values").SendAsync("typing", new() { Delivery = "transient" }, Stop);
        await reading.TextsAsync(2);
        Assert.Equal(("transient", null), (reading.Messages[1].Delivery, reading.Messages[1].Offset));
    }

    [Fact]
    public async Task Direct_messages_wait_and_each_conversation_is_read_by_itself()
    {
        var (ann, carol) = (await ConnectAsync("ann-direct"), await ConnectAsync("carol-direct"));
        await ann.Direct("bob-direct").SendAsync("from ann", cancellationToken: Stop);
        await carol.Direct("bob-direct").SendAsync("from carol", new() { Event = "note" }, Stop);

        var bob = await ConnectAsync("bob-direct");
        await using var all = new Reading(bob.Inbox.ReadAllAsync(cancellationToken: Stop));
        await using var anns = new Reading(bob.Direct("ann-direct").ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["from ann", "from carol"], await all.TextsAsync(2));
        await using var carols = new Reading(bob.Direct("carol-direct").ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["from ann"], await anns.TextsAsync(1));
        Assert.Equal(["from carol"], await carols.TextsAsync(1));
        await ann.Direct("bob-direct").SendAsync("again", cancellationToken: Stop);
        Assert.Equal(["from ann", "again"], await anns.TextsAsync(2));
        Assert.Equal(3, (await bob.Inbox.HistoryAsync(cancellationToken: Stop)).Messages.Count);
    }

    [Fact]
    public async Task Notifications_and_presence_come()
    {
        var admin = _clients.Create(_host.Address, await _host.TokenAsync("root", "&role=admin"));
        await admin.ConnectAsync(Stop);
        var ann = await ConnectAsync("ann");
        await using var notifications = new Reading(ann.Notifications.ReadAllAsync(cancellationToken: Stop));
        await admin.Notifications.BroadcastAsync(new { Text = "to all" }, "news", cancellationToken: Stop);
        Assert.Equal(["""{"text":"to all"}"""], await notifications.TextsAsync(1));
        Assert.Equal("/", notifications.Messages[0].Namespace);
        Assert.Equal("not_allowed", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Notifications.BroadcastAsync("no", cancellationToken: Stop))).Code);

        var changes = new List<PresenceChange>();
        ann.Room("present").PresenceChanged += change =>
        {
            lock (changes)
            {
                changes.Add(change);
            }
        };
        await ann.Room("present").JoinAsync(cancellationToken: Stop);
        await admin.Room("present").JoinAsync(cancellationToken: Stop);
        await Eventually.True("ann is told that root has come", () => changes.Any(c => c.Joined.Contains("root") && c.Members == 2));
        Assert.Equal(["ann", "root"], (await ann.Room("present").PresenceAsync(Stop)).List.Select(m => m.User).Order());
        await admin.Room("present").LeaveAsync(Stop);
        await Eventually.True("and gone", () => changes.Any(c => c.Left.Contains("root")));
    }

    [Fact]
    public async Task Requests_go_to_the_server_to_other_users_and_come_from_both()
    {
        var (ann, bob) = (await ConnectAsync("ann-asks"), await ConnectAsync("bob-asked"));
        Assert.Equal(new Receipt("tea", 500), await ann.RequestAsync<Receipt>("order:create", new Order("tea", 2), cancellationToken: Stop));
        var refused = await Assert.ThrowsAsync<RealtimeClientException>(() => ann.RequestAsync<int>("refuse", "not today", cancellationToken: Stop));
        Assert.Equal(("not_allowed", "not today", true), (refused.Code, refused.Message, refused.IsPermanent));
        Assert.Equal("unknown_event", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.RequestAsync<int>("nonsense", cancellationToken: Stop))).Code);

        var emitted = new TaskCompletionSource<ServerEvent>();
        ann.EventReceived += emitted.SetResult;
        using (ann.OnRequest("double", (request, _) => Task.FromResult<object?>(request.DataAs<int>() * 2)))
        {
            Assert.Equal("it said 42", await ann.RequestAsync<string>("ask", 21, cancellationToken: Stop));
        }

        Assert.Equal(("asking", """{"number":21}"""), ((await emitted.Task).Event, (await emitted.Task).Data.ToString()));

        using var call = bob.OnRequest("call", (request, _) => request.DataAs<string>() switch
        {
            "busy?" => throw new RequestRefusedException("Not now."),
            "fail" => throw new InvalidOperationException("secret"),
            var text => Task.FromResult<object?>($"{request.From}: {text}"),
        });
        Assert.Equal("ann-asks: hello", await ann.RequestUserAsync<string>("bob-asked", "call", "hello", cancellationToken: Stop));
        Assert.Equal("Not now.", (await RefusedAsync("call", "busy?")).Message);
        Exception? failure = null;
        bob.HandlerFailed += exception => failure = exception;
        Assert.Equal("The client could not answer.", (await RefusedAsync("call", "fail")).Message);
        Assert.Equal("secret", failure?.Message);
        Assert.Equal("This client does not answer 'nonsense'.", (await RefusedAsync("nonsense", "")).Message);
        Assert.Equal(
            "offline", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.RequestUserAsync<string>("nobody", "call", cancellationToken: Stop))).Code);

        async Task<RealtimeClientException> RefusedAsync(string name, string data)
        {
            var error = await Assert.ThrowsAsync<RealtimeClientException>(() => ann.RequestUserAsync<string>("bob-asked", name, data, cancellationToken: Stop));
            Assert.Equal("refused", error.Code);
            return error;
        }
    }

    [Fact]
    public async Task Topics_reach_those_whose_pattern_matches()
    {
        var (ann, bob) = (await ConnectAsync("ann"), await ConnectAsync("bob"));
        var (some, all) = (new List<string>(), new List<string>());
        await using var one = bob.Subscribe("orders.*", message => Note(some, message));
        await using var more = bob.Subscribe("orders.>", message => Note(all, message));
        await Task.WhenAll(one.Begun, more.Begun).WaitAsync(Stop);
        await ann.PublishAsync("orders.created", 1, cancellationToken: Stop);
        await ann.PublishAsync("orders.created.eu", 2, cancellationToken: Stop);
        await ann.PublishAsync("orders.paid", 3, cancellationToken: Stop);
        await ann.PublishAsync("invoices.created", 4, cancellationToken: Stop);
        await Eventually.True("both have been handled", () => some.Count == 2 && all.Count == 3, () => string.Join(", ", [.. some, .. all]));
        Assert.Equal(["orders.created 1", "orders.paid 3"], some);
        Assert.Equal(["orders.created 1", "orders.created.eu 2", "orders.paid 3"], all);

        // The room of the topic is left with the last subscription.
        await one.DisposeAsync();
        Assert.True(bob.Room("topic:orders").IsJoined);
        await more.DisposeAsync();
        Assert.False(bob.Room("topic:orders").IsJoined);
        Assert.Equal("invalid_argument", Assert.Throws<RealtimeClientException>(() => bob.Subscribe("*.created", _ => Task.CompletedTask)).Code);
    }

    [Fact]
    public async Task What_is_refused_fails_alone_and_says_why()
    {
        var ann = await ConnectAsync("ann");
        var room = ann.Room("refusing");
        await room.JoinAsync(cancellationToken: Stop);
        var states = new ConcurrentQueue<SentState>();
        var large = room.Send(new string('x', 100_000));
        large.StateChanged += message => states.Enqueue(message.State);
        var next = room.Send("small");
        Assert.Equal("payload_too_large", (await Assert.ThrowsAsync<RealtimeClientException>(() => large.Kept)).Code);
        Assert.Equal(1, (await next.Kept).Offset);
        Assert.Equal(SentState.Failed, large.State);
        await Eventually.True("its failure is told", () => !states.IsEmpty && states.Last() == SentState.Failed, () => string.Join(", ", states));
        large.Retry();
        await Assert.ThrowsAsync<RealtimeClientException>(() => large.Kept);

        var limited = _clients.Create(_host.Address, await _host.TokenAsync("limited", "&join=chat-*"));
        await limited.ConnectAsync(Stop);
        Assert.Equal("not_allowed", (await Assert.ThrowsAsync<RealtimeClientException>(() => limited.Room("refusing").JoinAsync(cancellationToken: Stop))).Code);
        Assert.Equal(
            "not_allowed", (await Assert.ThrowsAsync<RealtimeClientException>(() => limited.Subscribe("orders.*", _ => Task.CompletedTask).Begun)).Code);
        await limited.Room("chat-1").JoinAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task A_token_is_renewed_before_it_expires_and_once_after_it_was_refused()
    {
        var reasons = new List<TokenReason>();
        var client = _clients.Create(new()
        {
            Url = _host.Address,
            Backoff = TestClients.Soon,
            GetToken = async (request, _) =>
            {
                lock (reasons)
                {
                    reasons.Add(request.Reason);
                }

                // The first is no token at all; the second ends soon.
                return reasons.Count == 1 ? "nonsense" : await _host.TokenAsync("renewing", reasons.Count == 2 ? "&expiresIn=6" : "");
            },
        });
        await client.ConnectAsync(Stop);
        Assert.Equal([TokenReason.Connecting, TokenReason.Refused], reasons);
        await Eventually.True("the token was renewed", () => reasons.Count == 3, () => string.Join(", ", reasons));
        Assert.Equal(TokenReason.Expiring, reasons[2]);

        // Longer than the second one lived.
        await Pause.ForAsync(TimeSpan.FromSeconds(3), Stop);
        await client.PingAsync(Stop);
        Assert.Equal((ConnectionState.Connected, 0), (client.State, client.Info.Reconnects));

        var refused = _clients.Create(new() { Url = _host.Address, GetToken = (_, _) => Task.FromResult("nonsense") });
        Assert.Equal("unauthenticated", (await Assert.ThrowsAsync<RealtimeClientException>(() => refused.ConnectAsync(Stop))).Code);
        Assert.Equal(ConnectionState.Failed, refused.State);
        var fixedToken = _clients.Create(_host.Address, "nonsense");
        Assert.Equal("unauthenticated", (await Assert.ThrowsAsync<RealtimeClientException>(() => fixedToken.ConnectAsync(Stop))).Code);
    }

    [Fact]
    public async Task Who_is_sent_away_for_good_does_not_come_back_by_himself()
    {
        var ann = await ConnectAsync("ann-leaves");
        using var rest = await _host.RestAsync("ann-leaves");
        using var answer = await rest.DeleteAsync(new Uri("/api/users/ann-leaves/connections", UriKind.Relative), Stop);
        await Eventually.True("the client has given up", () => ann.State == ConnectionState.Failed, () => ann.Info);
        Assert.Equal("disconnected", ann.Info.Error?.Code);
        await ann.ReconnectAsync(Stop);
        Assert.Equal(ConnectionState.Connected, ann.State);
    }

    [Fact]
    public async Task The_server_is_told_of_no_message_twice()
    {
        var ann = await ConnectAsync("ann");
        await ann.Room("ids").JoinAsync(cancellationToken: Stop);
        var first = await ann.Room("ids").SendAsync("once", new() { MessageId = "m-1" }, Stop);
        var second = await ann.Room("ids").SendAsync("once", new() { MessageId = "m-1" }, Stop);
        Assert.Equal((1, 1, true), (first.Offset, second.Offset, second.Duplicate));
    }

    static Task Note(List<string> handled, RealtimeMessage message)
    {
        handled.Add($"{message.Event} {message.Data}");
        return Task.CompletedTask;
    }

    async Task<RealtimeClient> ConnectAsync(string user) => await _clients.ConnectAsync(_host.Address, await _host.TokenAsync(user));
}
