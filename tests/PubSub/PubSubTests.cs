using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.PubSub;
using OrleansRealtime.Rooms;
using OrleansRealtime.Tests.Events;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.PubSub;

/// <summary>An embedded server whose logs can be looked at.</summary>
public sealed class PubSubHost : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    internal CollectedLogs Logs { get; } = new();

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        null, Logs, ("Logging:LogLevel:OrleansRealtime.Gateway.PubSub", "Information"));

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

/// <summary>Asks no more of a grain than what an application's own would do.</summary>
[Alias("OrleansRealtime.Tests.IShopGrain")]
public interface IShopGrain : IGrainWithStringKey
{
    [Alias("Sell")]
    Task<Cursor> Sell(string topic, int amount);
}

public sealed class ShopGrain : Grain, IShopGrain
{
    public Task<Cursor> Sell(string topic, int amount) => GrainFactory.PublishToTopicAsync(topic, new { amount });
}

/// <summary>Pub/sub by topic in one process, with its clients.</summary>
public sealed class PubSubTests(PubSubHost shared, NodeClients node) : IClassFixture<PubSubHost>, IClassFixture<NodeClients>
{
    static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    readonly EmbeddedHost _host = shared.Host;

    /// <summary>The first word of this test's topics.</summary>
    readonly string _word = "t" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    IPubSub PubSub => _host.Services.GetRequiredService<IPubSub>();

    [Fact]
    public async Task Subscriptions_get_what_matches_their_patterns_in_order()
    {
        var (all, _) = await Received.SubscribeAsync(PubSub, $"{_word}.>");
        var (created, _) = await Received.SubscribeAsync(PubSub, $"{_word}.created.*");
        var (exact, _) = await Received.SubscribeAsync(PubSub, $"{_word}.created.eu");
        var (other, _) = await Received.SubscribeAsync(PubSub, $"{_word}x.>");
        string[] topics = [$"{_word}.created.eu", $"{_word}.created.us", $"{_word}.paid", $"{_word}", $"{_word}.created.eu.north"];
        for (int i = 0; i < topics.Length; i++)
        {
            PubSub.Publish(topics[i], i);
        }

        Assert.Equal([$"{topics[0]} 0", $"{topics[1]} 1", $"{topics[2]} 2", $"{topics[4]} 4"], await all.NextAsync(4));
        Assert.Equal([$"{topics[0]} 0", $"{topics[1]} 1"], await created.NextAsync(2));
        Assert.Equal([$"{topics[0]} 0"], await exact.NextAsync(1));
        await PubSub.PublishAsync($"{_word}.end", null, Token);
        Assert.Equal((0, 0, 0), (created.Count, exact.Count, other.Count));
    }

    [Fact]
    public async Task A_message_says_where_it_came_from_and_where_its_place_is()
    {
        var (received, _) = await Received.SubscribeAsync(PubSub, $"{_word}.*");
        var before = DateTimeOffset.UtcNow.AddSeconds(-1);
        var report = await PubSub.PublishAsync($"{_word}.created", new { Item = "tea" }, Token);
        Assert.Equal((1L, 1, 0), (report.Offset, report.Handlers, report.Errors.Count));
        var message = await received.NextAsync();
        Assert.Equal(($"{_word}.created", null, report.Epoch, report.Offset), (message.Topic, message.From, message.Epoch, message.Offset));
        Assert.Equal("tea", message.Get<JsonElement>().GetProperty("item").GetString());
        Assert.InRange(message.Time, before, DateTimeOffset.UtcNow.AddSeconds(1));

        using var rest = await _host.RestAsync("ann");
        using var posted = await rest.PostAsJsonAsync($"/api/rooms/topic:{_word}/messages", new { @event = $"{_word}.paid", data = 5, messageId = "m-1" }, Token);
        posted.EnsureSuccessStatusCode();
        message = await received.NextAsync();
        Assert.Equal(("ann", 2L, "m-1", 5), (message.From, message.Offset, message.MessageId, message.Get<int>()));

        // What is not kept has no place.
        using var transient = await rest.PostAsJsonAsync($"/api/rooms/topic:{_word}/messages", new { @event = $"{_word}.typing", data = 6, delivery = "transient" }, Token);
        transient.EnsureSuccessStatusCode();
        message = await received.NextAsync();
        Assert.Equal((0L, 6), (message.Offset, message.Get<int>()));
    }

    [Fact]
    public async Task A_publication_completes_when_all_handlers_have_run_and_their_errors_are_collected_and_logged()
    {
        var release = new TaskCompletionSource();
        using var slow = PubSub.Subscribe($"{_word}.>", (_, _) => release.Task);
        using var failing = PubSub.Subscribe($"{_word}.*", (_, _) => throw new InvalidOperationException("no stock in " + _word));
        using var failingLater = PubSub.Subscribe($"{_word}.*", async (_, _) =>
        {
            await Task.Yield();
            throw new FormatException("no price");
        });
        using var unconcerned = PubSub.Subscribe($"{_word}.other.*", (_, _) => throw new InvalidOperationException("not for me"));
        var publishing = PubSub.PublishAsync($"{_word}.created", 1, Token);
        await Eventually.True("the failure is logged", () => shared.Logs.Mentioning("no stock in " + _word).Count == 1);
        Assert.False(publishing.IsCompleted);
        release.SetResult();
        var report = await publishing;
        Assert.Equal(3, report.Handlers);
        Assert.Equal(["no price", "no stock in " + _word], report.Errors.Select(e => e.Message).Order());
        Assert.Contains("Error ", shared.Logs.Mentioning("no stock in " + _word)[0], StringComparison.Ordinal);

        // The next message comes all the same.
        Assert.Equal(2, (await PubSub.PublishAsync($"{_word}.created", 2, Token)).Errors.Count);
    }

    [Fact]
    public async Task A_subscription_gets_what_is_published_right_after_it_in_the_order_of_the_calls()
    {
        var received = new Received();
        using var subscription = PubSub.Subscribe($"{_word}.*", received.HandleAsync);
        for (int i = 0; i < 50; i++)
        {
            PubSub.Publish($"{_word}.n", i);
        }

        Assert.Equal(1, (await PubSub.PublishAsync($"{_word}.n", 50, Token)).Handlers);
        Assert.Equal(Enumerable.Range(0, 51).Select(i => $"{_word}.n {i}"), await received.NextAsync(51));
    }

    [Fact]
    public async Task A_handler_of_a_type_gets_it_and_other_data_is_its_failure()
    {
        var received = new ConcurrentQueue<(Order, string)>();
        using var subscription = PubSub.Subscribe<Order>($"{_word}.>", (order, message) =>
        {
            received.Enqueue((order, message.Topic));
            return Task.CompletedTask;
        });
        Assert.Empty((await PubSub.PublishAsync($"{_word}.created", new Order("tea", 2), Token)).Errors);
        Assert.IsType<JsonException>(Assert.Single((await PubSub.PublishAsync($"{_word}.created", "no order", Token)).Errors));
        Assert.Equal((new Order("tea", 2), $"{_word}.created"), Assert.Single(received));
        using var bytes = PubSub.Subscribe<byte[]>($"{_word}.raw", (data, _) =>
        {
            Assert.Equal([1, 2, 3], data);
            return Task.CompletedTask;
        });
        var report = await PubSub.PublishAsync($"{_word}.raw", new byte[] { 1, 2, 3 }, Token);
        Assert.Equal((2, 1), (report.Handlers, report.Errors.Count));
    }

    [Fact]
    public async Task A_subscription_ends_with_its_disposal_and_its_handler_hears_of_it()
    {
        var entered = new TaskCompletionSource<CancellationToken>();
        var subscription = PubSub.Subscribe($"{_word}.*", async (_, token) =>
        {
            entered.TrySetResult(token);
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
        });
        var publishing = PubSub.PublishAsync($"{_word}.created", 1, Token);
        var token = await entered.Task.WaitAsync(s_limit, Token);
        subscription.Dispose();
        await publishing.WaitAsync(s_limit, Token);
        Assert.True(token.IsCancellationRequested);
        var report = await PubSub.PublishAsync($"{_word}.created", 2, Token);
        Assert.Equal((2L, 0), (report.Offset, report.Handlers));
        subscription.Dispose();

        // One that has never begun.
        PubSub.Subscribe($"{_word}.*", (_, _) => Task.CompletedTask).Dispose();
        Assert.Equal(0, (await PubSub.PublishAsync($"{_word}.created", 3, Token)).Handlers);
    }

    [Fact]
    public async Task A_handler_that_stands_still_holds_up_nobody_and_gets_everything_later()
    {
        const int count = 330;
        var release = new TaskCompletionSource();
        var received = new Received();
        using var slow = PubSub.Subscribe($"{_word}.*", async (message, token) =>
        {
            await release.Task;
            await received.HandleAsync(message, token);
        });
        await slow.Ready;
        var (fast, _) = await Received.SubscribeAsync(PubSub, $"{_word}.*");
        var publisher = _host.Services.GetRequiredService<RealtimePublisher>();
        string large = new('x', 60_000);
        for (int i = 0; i < count; i++)
        {
            await publisher.ToRoomAsync($"topic:{_word}", $"{_word}.{i}", large, cancellationToken: Token);
            Assert.Equal($"{_word}.{i}", (await fast.NextAsync()).Topic);
        }

        // More than the queue holds: the rest is read from the log.
        Assert.Equal(1, shared.Logs.Mentioning("slow_consumer").Count(l => l.Contains("of server", StringComparison.Ordinal)));
        release.SetResult();
        for (int i = 0; i < count; i++)
        {
            Assert.Equal($"{_word}.{i}", (await received.NextAsync()).Topic);
        }

        PubSub.Publish($"{_word}.last", 1);
        Assert.Equal($"{_word}.last", (await received.NextAsync()).Topic);
        Assert.Equal(0, received.Count);
    }

    [Fact]
    public async Task A_handler_may_publish_what_it_would_get_itself()
    {
        var received = new Received();
        using var subscription = PubSub.Subscribe<int>($"{_word}.*", async (left, message) =>
        {
            await received.HandleAsync(message, Token);
            if (left > 0)
            {
                Assert.Equal(0, (await PubSub.PublishAsync($"{_word}.again", left - 1, Token)).Handlers);
            }
        });
        Assert.Empty((await PubSub.PublishAsync($"{_word}.first", 2, Token)).Errors);
        Assert.Equal([$"{_word}.first 2", $"{_word}.again 1", $"{_word}.again 0"], await received.NextAsync(3));
    }

    [Fact]
    public async Task A_grain_publishes()
    {
        var (received, _) = await Received.SubscribeAsync(PubSub, $"{_word}.sold");
        var grains = _host.Services.GetRequiredService<IGrainFactory>();
        Assert.Equal(1, (await grains.GetGrain<IShopGrain>("shop").Sell($"{_word}.sold", 3)).Offset);
        Assert.Equal([_word + """.sold {"amount":3}"""], await received.NextAsync(1));
        await Assert.ThrowsAsync<ArgumentException>(() => grains.GetGrain<IShopGrain>("shop").Sell("no topic", 3));
    }

    [Fact]
    public async Task Clients_get_the_topics_by_joining_the_room_of_the_first_word_and_publish_by_sending_to_it()
    {
        string room = "topic:" + _word;
        var (received, _) = await Received.SubscribeAsync(PubSub, $"{_word}.>");
        await using var hub = new SignalRTransport(messagePack: false).Build(_host.Address, await _host.TokenAsync("ann"));
        var messages = System.Threading.Channels.Channel.CreateUnbounded<JsonElement>();
        hub.On<JsonElement>("message", m => messages.Writer.TryWrite(m));
        await hub.StartAsync(Token);
        await hub.InvokeAsync<JsonElement>("Join", room, Token);
        await using var socket = await node.ConnectAsync(new() { Server = _host.Address, Token = await _host.TokenAsync("bob") });
        await socket.IsOkAsync("join:room", room);
        using var rest = await _host.RestAsync("carol");
        using var stream = await rest.GetStreamAsync(new Uri($"/events?room={room}", UriKind.Relative), Token);
        await using var events = SseParser.Create(stream).EnumerateAsync(Token).GetAsyncEnumerator(Token);

        // A handler is nobody in the room.
        var presence = await hub.InvokeAsync<JsonElement>("Presence", room, Token);
        Assert.DoesNotContain("server", presence.GetProperty("list").EnumerateArray().Select(m => m.GetProperty("user").GetString()));

        await PubSub.PublishAsync($"{_word}.created.eu", new { item = "tea" }, Token);
        var message = await messages.Reader.ReadAsync(Token).AsTask().WaitAsync(s_limit, Token);
        Assert.Equal((room, $"{_word}.created.eu", "tea"), (Text(message, "room"), Text(message, "event"), Text(message.GetProperty("data"), "item")));
        var args = await socket.NextAsync($"{_word}.created.eu");
        Assert.Equal(("tea", room), (Text(args[0], "item"), Text(args[1], "roomId")));
        do
        {
            Assert.True(await events.MoveNextAsync());
        }
        while (events.Current.EventType == "presence");
        Assert.Equal($"{_word}.created.eu", events.Current.EventType);

        await hub.InvokeAsync<JsonElement>("Send", room, $"{_word}.paid", 1, cancellationToken: Token);
        await socket.IsOkAsync("message", new { roomId = room, message = 2, @event = $"{_word}.shipped" });
        Assert.Equal([_word + """.created.eu {"item":"tea"}""", $"{_word}.paid 1", $"{_word}.shipped 2"], await received.NextAsync(3));
    }

    [Fact]
    public async Task What_is_no_topic_of_the_room_is_not_published_to_it()
    {
        string room = "topic:" + _word;
        string elsewhere = $"The event of a message in the room '{room}' is a topic whose first word is '{_word}'; 'other.created' belongs in 'topic:other'.";
        await using var hub = new SignalRTransport(messagePack: false).Build(_host.Address, await _host.TokenAsync("ann"));
        await hub.StartAsync(Token);
        await hub.InvokeAsync<JsonElement>("Join", room, Token);
        var refused = await Assert.ThrowsAsync<HubException>(() => hub.InvokeAsync<JsonElement>("Send", room, "other.created", 1, Token));
        Assert.EndsWith("invalid_argument: " + elsewhere, refused.Message, StringComparison.Ordinal);
        using var rest = await _host.RestAsync("ann");
        foreach (var (name, to) in new[] { ("message", room), ($"{_word}..x", room), ($"{_word}.*", room), ("a", "topic:a.b"), ("a", "topic:") })
        {
            using var answer = await rest.PostAsJsonAsync($"/api/rooms/{to}/messages", new { @event = name, data = 1 }, Token);
            Assert.Equal((HttpStatusCode.BadRequest, "invalid_argument"), (answer.StatusCode, (await Caller.ReadAsync(answer)).Code));
        }

        await using var socket = await node.ConnectAsync(new() { Server = _host.Address, Token = await _host.TokenAsync("bob") });
        await socket.IsOkAsync("join:room", room);
        Assert.Equal("invalid_argument", (await socket.EmitAsync("message", new { roomId = room, message = 1 })).ErrorCode());
        Assert.Equal("invalid_argument", (await socket.EmitAsync("room:update", new { roomId = room, data = 1 })).ErrorCode());

        // Bytes go to the rooms where they can.
        await socket.IsOkAsync("join:room", _word);
        Assert.Equal(1, (await socket.IsOkAsync("binary", NodeSocket.Bytes([1]))).GetProperty("rooms").GetInt32());
        var publisher = _host.Services.GetRequiredService<RealtimePublisher>();
        var error = await Assert.ThrowsAsync<RealtimeException>(() => publisher.ToRoomAsync(room, "other.created", 1, cancellationToken: Token));
        Assert.Equal((RealtimeErrorCode.InvalidArgument, elsewhere), (error.Code, error.Message));

        // A room of another namespace is a room like any other.
        await publisher.ToRoomAsync("/admin:topic:orders", "anything", 1, cancellationToken: Token);
    }

    [Fact]
    public async Task Bad_topics_and_patterns_are_the_callers_mistake()
    {
        Assert.Throws<ArgumentException>(() => PubSub.Subscribe("*.created", (_, _) => Task.CompletedTask));
        Assert.Throws<ArgumentException>(() => PubSub.Publish("orders.*", 1));
        await Assert.ThrowsAsync<ArgumentException>(() => PubSub.PublishAsync("", 1, Token));
        var large = await Assert.ThrowsAsync<RealtimeException>(() => PubSub.PublishAsync(_word, new string('x', 70_000), Token));
        Assert.Equal(RealtimeErrorCode.PayloadTooLarge, large.Code);
        PubSub.Publish($"{_word}.lost", new string('x', 70_000));
        await Eventually.True("the loss is logged", () => shared.Logs.Mentioning($"A publication to '{_word}.lost' is lost.").Count == 1);
    }

    [Fact]
    public async Task What_is_no_topic_and_came_into_the_log_all_the_same_is_for_no_handler()
    {
        var (received, _) = await Received.SubscribeAsync(PubSub, $"{_word}.>");
        var room = _host.Services.GetRequiredService<IGrainFactory>().GetGrain<IRoomGrain>($"/:topic:{_word}");
        await room.Publish(new("message", Payload.Null));
        await room.Publish(new("other.created", Payload.Null));
        await PubSub.PublishAsync($"{_word}.created", null, Token);
        Assert.Equal([$"{_word}.created null"], await received.NextAsync(1));
    }

    static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    sealed record Order(string Item, int Amount);
}
