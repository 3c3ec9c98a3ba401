using System.Globalization;
using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>What the page says of its connection, and what it does when that is lost.</summary>
[Collection(BrowserTests.Name)]
public sealed class ConnectionTests(BrowserFixture browser)
{
    [Fact]
    public async Task The_inspector_shows_state_transport_cursors_and_round_trips()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-i", "room=inspected&transport=signalr");
        await ann.SayAsync("one");
        await ann.AllIsKeptAsync();
        await ann["inspector-button"].ClickAsync();
        await Visitor.ShowsAsync(ann["inspect-state"], "connected");
        await Visitor.ShowsAsync(ann["inspect-transport"], "SignalR");
        await Visitor.ShowsAsync(ann["inspect-reconnects"], "0");
        await Visitor.ShowsAsync(ann["inspect-outbox"], "empty");
        var cursor = ann.Page.Locator("[data-testid=cursor][data-channel='room:inspected']");
        await Eventually.True("the cursor is at the message", async () => (await cursor.GetAttributeAsync("data-cursor"))!.EndsWith(":1", StringComparison.Ordinal));
        await Eventually.True(
            "two round trips have been measured", async () => int.Parse((await ann["latency-chart"].GetAttributeAsync("data-samples"))!, CultureInfo.InvariantCulture) >= 2);
        await Visitor.IsThereAsync(ann["latency-chart"].Locator("polyline"));
    }

    [Fact]
    public async Task A_lost_connection_is_tried_again_and_counted_and_can_be_hurried()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", "room=general&transport=signalr");
        await ann["inspector-button"].ClickAsync();
        await server.KillAsync();
        await ann.IsAsync("reconnecting");
        await Visitor.ShowsAsync(ann["banner"], "Connection lost");
        await Visitor.ShowsAsync(ann["inspect-state"], "reconnecting");
        await server.RestartAsync();
        await ann["reconnect-button"].ClickAsync();
        await ann.IsAsync("connected");
        await Visitor.IsThereAsync(ann["banner"], 0);
        await Visitor.ShowsAsync(ann["inspect-reconnects"], "1");
    }

    [Theory]
    [InlineData("signalr")]
    [InlineData("sse")]
    [InlineData("socketio")]
    public async Task Tokens_that_end_soon_are_renewed_and_nobody_notices(string transport)
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-k" + transport, $"room=tokens-{transport}&transport={transport}&expiresIn=8");
        await ann["inspector-button"].ClickAsync();
        string? first = await ann["inspect-token"].GetAttributeAsync("data-expires");
        var states = await ann.Page.EvaluateHandleAsync(
            """
            () => {
              const states = [];
              const element = document.querySelector('[data-testid=connection-state]');
              new MutationObserver(() => states.push(element.dataset.state)).observe(element, { attributes: true, attributeFilter: ['data-state'] });
              return states;
            }
            """);
        await Eventually.True("the token has been renewed twice", async () =>
            double.Parse((await ann["inspect-token"].GetAttributeAsync("data-expires"))!, CultureInfo.InvariantCulture)
                > double.Parse(first!, CultureInfo.InvariantCulture) + 8_500);
        Assert.DoesNotContain("failed", await states.JsonValueAsync<string[]>());
        await ann.IsAsync("connected");
        await ann.SayAsync("still signed in");
        await ann.AllIsKeptAsync();
        if (transport == "signalr")
        {
            Assert.Empty(await states.JsonValueAsync<string[]>());
        }
    }

    [Fact]
    public async Task Where_no_tokens_are_handed_out_one_is_pasted()
    {
        await using var server = await ServerProcess.StartAsync(("Realtime:Auth:AllowDevTokens", "false"), ("Realtime:Auth:Key", Auth.Tokens.Key));
        await using var ann = await browser.WindowAsync(server, "ann");
        await ann.GoAsync("room=general&transport=signalr");
        await ann["name-input"].FillAsync("ann");
        await ann["connect-button"].ClickAsync();
        await ann["token-input"].FillAsync("not a token");
        await ann["connect-button"].ClickAsync();
        await Visitor.ShowsAsync(ann.Page.GetByRole(Microsoft.Playwright.AriaRole.Alert), "not a token");
        await ann["token-input"].FillAsync(Auth.Tokens.Of("paula"));
        await ann["connect-button"].ClickAsync();
        await ann.IsAsync("connected");
        await Visitor.ShowsAsync(ann["own-name"], "paula");
    }
}
