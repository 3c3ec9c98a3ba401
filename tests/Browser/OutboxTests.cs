using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>What is written is kept once, or the user is told that it is not.</summary>
[Collection(BrowserTests.Name)]
public sealed class OutboxTests(BrowserFixture browser)
{
    [Theory]
    [InlineData("signalr")]
    [InlineData("sse")]
    [InlineData("socketio")]
    public async Task Messages_wait_while_the_server_is_dead_and_are_kept_once(string transport)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", $"room=general&transport={transport}");
        await ann.SayAsync("before");
        await ann.AllIsKeptAsync();

        await ann.SayAsync("into the crash"); // It may be kept, unacknowledged: it is sent again, and must not be there twice.
        await server.KillAsync();
        await ann.IsAsync("reconnecting");
        string[] waiting = [.. Enumerable.Range(1, 5).Select(i => $"waiting {i}")];
        foreach (string text in waiting)
        {
            await ann.SayAsync(text);
        }

        await ann.SeesAsync(["before", "into the crash", .. waiting]);
        await ann["inspector-button"].ClickAsync();
        await Visitor.ShowsAsync(ann["inspect-outbox"], "waiting");

        await server.RestartAsync();
        await ann.IsAsync("connected");
        await ann.AllIsKeptAsync();
        await ann.SeesAsync(["before", "into the crash", .. waiting]);
        var history = await server.HistoryAsync(await server.TokenAsync("eve"), "general");
        Assert.Equal(["before", "into the crash", .. waiting], history.Select(message => message.GetProperty("data").GetString()));
        await Visitor.ShowsAsync(ann["inspect-outbox"], "empty");
    }

    [Fact]
    public async Task A_message_that_waits_survives_a_reload_of_the_page()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", "room=general&transport=signalr");
        await ann.Page.RouteAsync("**/hub**", route => route.AbortAsync());
        await ann.Page.Context.SetOfflineAsync(true);
        await server.KillAsync();
        await ann.IsAsync("reconnecting");
        await ann.SayAsync("still to be sent");
        await ann.Page.Context.SetOfflineAsync(false);
        await server.RestartAsync();
        await ann.Page.ReloadAsync();
        await Visitor.ShowsAsync(ann["message"], "still to be sent");
        await ann.Page.UnrouteAsync("**/hub**");
        await ann.IsAsync("connected");
        await ann.AllIsKeptAsync();
        Assert.Single(await server.HistoryAsync(await server.TokenAsync("eve"), "general"));
    }

    [Fact]
    public async Task A_message_that_the_server_refuses_can_be_discarded()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-o", "room=large&transport=signalr");
        await ann.SayAsync(new string('x', 70_000));
        await Visitor.HasAsync(ann["message"], "data-state", "failed");
        await ann.SayAsync("smaller");
        await Visitor.HasAsync(ann["message"].Filter(new() { HasTextString = "smaller" }), "data-state", "acknowledged");
        await ann["discard-message"].ClickAsync();
        await ann.SeesAsync("smaller");
    }
}
