namespace OrleansRealtime.Tests.Contracts;

/// <summary>What every transport promises, shown with a real client of it.</summary>
public abstract class TransportContract(IContractHost host)
{
    readonly IContractHost _host = host;
    readonly string _room = "room-" + Guid.NewGuid().ToString("n");

    internal abstract ITransport Transport { get; }

    [Fact]
    public async Task A_member_receives_what_is_published_and_the_publisher_its_offset()
    {
        await using var ann = await JoinAsync("ann");
        await using var bob = await JoinAsync("bob");
        Assert.Equal(1, await ann.SendAsync("hello"));
        foreach (var client in new[] { ann, bob })
        {
            var received = await client.NextAsync();
            Assert.Equal(1, received.Offset);
            Assert.Equal("hello", received.Text);
            Assert.Equal("ann", received.Body.GetProperty("from").GetString());
            Assert.Equal(_room, received.Body.GetProperty("room").GetString());
            Assert.Equal("message", received.Body.GetProperty("event").GetString());
            Assert.EndsWith("Z", received.Body.GetProperty("time").GetString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task All_members_see_the_same_messages_in_the_same_order()
    {
        await using var ann = await JoinAsync("ann");
        await using var bob = await JoinAsync("bob");
        await using var eve = await JoinAsync("eve");
        ITransportClient[] clients = [ann, bob, eve];
        const int each = 40;
        await Task.WhenAll(clients.Select((client, c) => Task.WhenAll(Enumerable.Range(0, each).Select(i => client.SendAsync($"{c}-{i}")))));
        var seen = new List<string?>[clients.Length];
        for (int c = 0; c < clients.Length; c++)
        {
            seen[c] = [];
            for (int i = 1; i <= each * clients.Length; i++)
            {
                var received = await clients[c].NextAsync();
                Assert.Equal(i, received.Offset);
                seen[c].Add(received.Text);
            }
        }

        Assert.Equal(seen[0], seen[1]);
        Assert.Equal(seen[0], seen[2]);
    }

    [Fact]
    public async Task A_client_that_returns_with_its_cursor_gets_each_missed_message_once_and_then_the_live_ones()
    {
        await using var ann = await JoinAsync("ann");
        string? cursor;
        await using (var bob = await JoinAsync("bob"))
        {
            await ann.SendAsync("seen");
            cursor = (await bob.NextAsync()).Cursor;
        }

        await ann.SendAsync("missed 1");
        await ann.SendAsync("missed 2");
        var publishing = PublishManyAsync(ann, 200);
        await using var back = await JoinAsync("bob", cursor);
        Assert.True(back.Recovered);
        await publishing;
        await ann.SendAsync("last");
        for (long offset = 2; offset <= 204; offset++)
        {
            Assert.Equal(offset, (await back.NextAsync()).Offset);
        }
    }

    [Fact]
    public async Task A_client_whose_history_is_gone_is_told_so()
    {
        string? cursor;
        await using (var ann = await JoinAsync("ann"))
        {
            await ann.SendAsync("one");
            cursor = (await ann.NextAsync()).Cursor;
        }

        // The same channel's epoch, of a log that is not there any more.
        string forged = string.Join(',', cursor!.Split(',').Select(c => c[..6] + "0123456789" + c[16..]));
        await using var back = await Transport.JoinAsync(_host.NextAddress(), await _host.TokenAsync("ann"), _room, forged);
        await Eventually.True("the client is told that it has not recovered", () => !back.Recovered);
        Assert.Equal("one", (await back.NextAsync()).Text);
    }

    [Fact]
    public async Task A_retry_under_the_same_message_id_is_acknowledged_with_the_first_offset_and_sent_once()
    {
        await using var ann = await JoinAsync("ann");
        long first = await ann.SendAsync("once", "id-1");
        long again = await ann.SendAsync("once", "id-1");
        long next = await ann.SendAsync("then");
        Assert.Equal(first, again);
        Assert.Equal(first + 1, next);
        Assert.Equal("once", (await ann.NextAsync()).Text);
        Assert.Equal("then", (await ann.NextAsync()).Text);
    }

    [Fact]
    public async Task A_slow_client_is_closed_with_the_reason_and_nobody_waits_for_it()
    {
        await using var slow = await Transport.JoinStalledAsync(_host.NextAddress(), await _host.TokenAsync("slow"), _room);
        await using var fast = await JoinAsync("fast");
        string large = new('x', 30_000);

        // Far more than the sockets of both sides hold; the publisher is acknowledged all the same.
        for (int i = 1; i <= 600; i++)
        {
            Assert.Equal(i, await fast.SendAsync(large));
            Assert.Equal(i, (await fast.NextAsync()).Offset);
        }

        var received = await slow.ResumeAsync();
        Assert.True(received.Count(r => r.Kind == "message") < 600, "the slow client was not cut off");
        Assert.All(received.Where(r => r.Kind == "message").Select((r, i) => (r.Offset, Expected: i + 1L)), pair => Assert.Equal(pair.Expected, pair.Offset));
        if (received is [.., { Kind: "closing" } last])
        {
            Assert.Equal("slow_consumer", last.Body.GetProperty("reason").GetString());
        }
    }

    [Fact]
    public async Task Members_are_told_who_comes_and_goes_and_a_disconnected_client_leaves()
    {
        await using var ann = await JoinAsync("ann");
        await using (await JoinAsync("bob"))
        {
            await PresenceAsync(ann, "joined", "bob");
        }

        await PresenceAsync(ann, "left", "bob");
    }

    [Fact]
    public async Task A_disconnected_user_is_told_why()
    {
        string user = "user-" + Guid.NewGuid().ToString("n");
        await using var client = await JoinAsync(user);
        using var rest = await _host.RestAsync(user);
        await Eventually.True("the connection is listed", async () => (await rest.GetStringAsync($"/api/users/{user}/connections")).Contains("transport", StringComparison.Ordinal));
        using var response = await rest.DeleteAsync($"/api/users/{user}/connections", TestContext.Current.CancellationToken);
        Assert.Equal("""{"disconnected":1}""", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("disconnected", await client.ClosedAsync());
    }

    [Fact]
    public async Task A_connection_is_closed_when_its_token_expires()
    {
        await using var client = await Transport.JoinAsync(_host.NextAddress(), await _host.TokenAsync("brief", "&expiresIn=3"), _room);
        Assert.Equal("token_expired", await client.ClosedAsync());
    }

    [Fact]
    public async Task Direct_messages_wait_for_a_user_who_is_offline_and_are_delivered_once()
    {
        string user = "user-" + Guid.NewGuid().ToString("n");
        using var rest = await _host.RestAsync("ann");
        await SendDirectAsync(rest, user, "while you were away");
        await using (var first = await JoinAsync(user))
        {
            Assert.Equal("while you were away", (await first.NextAsync("direct")).Text);
            await SendDirectAsync(rest, user, "now");
            Assert.Equal("now", (await first.NextAsync("direct")).Text);
            await Eventually.True("the delivery is known", async () => await _host.DeliveredAsync(user) == 2);
        }

        // Until a gateway sees that a client has gone, what comes is handed to that client.
        using var self = await _host.RestAsync(user);
        await Eventually.True(
            "no connection is left", async () => (await self.GetStringAsync($"/api/users/{user}/connections")).Contains("\"connections\":[]", StringComparison.Ordinal));
        await SendDirectAsync(rest, user, "later");
        await using var second = await JoinAsync(user);
        Assert.Equal("later", (await second.NextAsync("direct")).Text);
    }

    [Fact]
    public async Task Everybody_gets_what_is_broadcast()
    {
        await using var ann = await JoinAsync("ann");
        using var admin = await _host.RestAsync("root", "&role=admin");
        string text = Guid.NewGuid().ToString();
        using var response = await admin.PostAsync(
            "/api/namespaces/messages", new StringContent($$"""{"event":"news","data":"{{text}}"}""", null, "application/json"), TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
        Received received;
        do
        {
            received = await ann.NextAsync("notification");
        }
        while (received.Text != text);
        Assert.Equal("news", received.Body.GetProperty("event").GetString());
    }

    async Task<ITransportClient> JoinAsync(string user, string? cursor = null) =>
        await Transport.JoinAsync(_host.NextAddress(), await _host.TokenAsync(user), _room, cursor);

    static async Task SendDirectAsync(HttpClient rest, string user, string text)
    {
        using var response = await rest.PostAsync(
            $"/api/users/{user}/messages", new StringContent($$"""{"data":"{{text}}"}""", null, "application/json"), TestContext.Current.CancellationToken);
        response.EnsureSuccessStatusCode();
    }

    static async Task PublishManyAsync(ITransportClient client, int count)
    {
        for (int i = 0; i < count; i++)
        {
            await client.SendAsync($"live {i}");
        }
    }

    static async Task PresenceAsync(ITransportClient client, string change, string user)
    {
        while (!(await client.NextAsync("presence")).Body.GetProperty(change).EnumerateArray().Any(u => u.GetString() == user))
        {
        }
    }
}
