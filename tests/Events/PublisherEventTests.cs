using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Hosts;
using OrleansRealtime.Tests.SignalR;

namespace OrleansRealtime.Tests.Events;

/// <summary>What server code publishes without a token.</summary>
public sealed class PublisherEventTests(HandlerHost shared) : IClassFixture<HandlerHost>
{
    readonly EmbeddedHost _host = shared.Host;
    readonly string _name = "name-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    RealtimePublisher Publisher => _host.Services.GetRequiredService<RealtimePublisher>();

    [Fact]
    public async Task A_room_gets_what_the_server_publishes()
    {
        await using var hub = await ConnectAsync();
        var message = NextAsync(hub, "message");
        await hub.InvokeAsync("Join", "/admin:" + _name, Token);
        var kept = await Publisher.ToRoomAsync("/admin:" + _name, "price", new Price(3), cancellationToken: Token);
        var received = await message;
        Assert.Equal(("price", """{"amountInCents":3}"""), (received.GetProperty("event").GetString(), received.GetProperty("data").GetRawText()));
        Assert.Equal(kept.Cursor, received.GetProperty("cursor").GetString());
        Assert.False(received.TryGetProperty("from", out _));
    }

    [Fact]
    public async Task A_user_gets_what_the_server_publishes_in_anothers_name()
    {
        await using var hub = await ConnectAsync();
        var message = NextAsync(hub, "direct");
        await Publisher.ToUserAsync(_name, "note", new byte[] { 1, 2 }, new(From: "shop"), Token);
        var received = await message;
        Assert.Equal(("shop", "AQI=", "base64"), (
            received.GetProperty("from").GetString(), received.GetProperty("data").GetString(), received.GetProperty("encoding").GetString()));
    }

    [Fact]
    public async Task A_namespace_gets_what_the_server_publishes()
    {
        await using var hub = await ConnectAsync();
        var message = NextAsync(hub, "notification");
        await Publisher.ToNamespaceAsync("/", "news", new Payload(PayloadKind.Json, "[ 1 ]"u8.ToArray()), cancellationToken: Token);
        Assert.Equal("[ 1 ]", (await message).GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task A_repeated_message_id_is_acknowledged_with_the_first_offset()
    {
        var first = await Publisher.ToRoomAsync(_name, "message", 1, new(MessageId: "m"), Token);
        var second = await Publisher.ToRoomAsync(_name, "message", 1, new(MessageId: "m"), Token);
        Assert.Equal((first.Offset, false, true), (second.Offset, first.Duplicate, second.Duplicate));
    }

    [Fact]
    public async Task A_latest_value_has_a_key()
    {
        await using var hub = await ConnectAsync();
        var message = NextAsync(hub, "message");
        await hub.InvokeAsync("Join", _name, Token);
        await Publisher.ToRoomAsync(_name, "position", 1, new(Delivery: Delivery.Latest, Key: "ann"), Token);
        Assert.Equal(("latest", "ann"), ((await message).GetProperty("delivery").GetString(), (await message).GetProperty("key").GetString()));
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToRoomAsync(_name, "position", 1, new(Delivery: Delivery.Latest), Token));
    }

    [Fact]
    public async Task What_is_wrong_is_refused_as_it_is_for_clients()
    {
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToRoomAsync("", "message", 1, cancellationToken: Token));
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToUserAsync("a\nb", "message", 1, cancellationToken: Token));
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToNamespaceAsync("no-slash", "message", 1, cancellationToken: Token));
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToRoomAsync(_name, "", 1, cancellationToken: Token));
        await RefusedAsync(RealtimeErrorCode.InvalidArgument, () => Publisher.ToRoomAsync(_name, "message", 1, new(From: ""), Token));
        await RefusedAsync(
            RealtimeErrorCode.PayloadTooLarge, () => Publisher.ToRoomAsync(_name, "message", new byte[HandlerHost.PayloadBytes + 1], cancellationToken: Token));
    }

    static async Task RefusedAsync(RealtimeErrorCode code, Func<Task> publish) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<RealtimeException>(publish)).Code);

    static Task<JsonElement> NextAsync(HubConnection hub, string kind)
    {
        var next = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        hub.On<JsonElement>(kind, body => next.TrySetResult(body));
        return next.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
    }

    async Task<HubConnection> ConnectAsync()
    {
        var hub = new SignalRTransport(messagePack: false).Build(_host.Address, await _host.TokenAsync(_name, "&role=admin"));
        await hub.StartAsync(Token);

        // Answered after the connection has its inbox and the notifications; the start is not.
        await hub.InvokeAsync<object>("Inbox", Token);
        return hub;
    }

    sealed record Price(int AmountInCents);
}
