namespace OrleansRealtime.Tests.Browser;

/// <summary>Messages to one user, who need not be there.</summary>
[Collection(BrowserTests.Name)]
public sealed class DirectMessageTests(BrowserFixture browser)
{
    [Fact]
    public async Task What_came_while_the_user_was_away_is_unread_when_he_is_back()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-d", "room=directs&transport=signalr");
        await using (var bob = await browser.OpenAsync(browser.Server, "bob-d", "room=directs&transport=signalr"))
        {
            await ann.Member("bob-d").ClickAsync();
        }

        await Visitor.IsThereAsync(ann.Conversation("bob-d"));
        await ann.SayAsync("are you there?");
        await ann.SayAsync("call me");
        await ann.AllIsKeptAsync();

        await using var again = await browser.OpenAsync(browser.Server, "bob-d", "room=directs&transport=signalr");
        await Visitor.HasAsync(again.Conversation("ann-d"), "data-unread", "2");
        Assert.StartsWith("(2)", await again.Page.TitleAsync(), StringComparison.Ordinal);
        await again.Conversation("ann-d").ClickAsync();
        await again.SeesDirectAsync("are you there?", "call me");
        await Visitor.HasAsync(again.Conversation("ann-d"), "data-unread", "0");

        await again.SayAsync("on my way");
        await ann.SeesDirectAsync("are you there?", "call me", "on my way");
        await ann.Page.ReloadAsync();
        await ann.SeesDirectAsync("are you there?", "call me", "on my way");
    }
}
