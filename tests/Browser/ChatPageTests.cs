using System.Net.Http.Json;
using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>Rooms: what is said reaches everybody, in order and once, over any transport and any interruption.</summary>
[Collection(BrowserTests.Name)]
public sealed class ChatPageTests(BrowserFixture browser)
{
    [Theory]
    [InlineData("signalr")]
    [InlineData("sse")]
    [InlineData("socketio")]
    public async Task Two_people_chat_one_reloads_and_both_survive_a_restart_of_the_server(string transport)
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", $"room=general&transport={transport}");
        await using var bob = await browser.OpenAsync(server, "bob", $"room=general&transport={transport}");

        await ann.SayAsync("hello bob");
        await bob.SeesAsync("hello bob");
        await bob.SayAsync("hello ann");
        await ann.SeesAsync("hello bob", "hello ann");

        await bob.Page.ReloadAsync();
        await bob.SeesAsync("hello bob", "hello ann");

        await server.KillAsync();
        await ann.IsAsync("reconnecting");
        await server.RestartAsync();
        await ann.IsAsync("connected");
        await bob.IsAsync("connected");
        await ann.SayAsync("still here");
        await bob.SeesAsync("hello bob", "hello ann", "still here");
        await ann.SeesAsync("hello bob", "hello ann", "still here");
        Assert.Equal(0, await bob["gap-marker"].CountAsync());
    }

    [Fact]
    public async Task Where_the_log_has_been_lost_the_page_says_that_messages_may_be_missing()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", "room=general&transport=signalr");
        await ann.SayAsync("before");
        await ann.AllIsKeptAsync();
        await server.KillAsync();
        foreach (string file in Directory.GetFiles(server.DataFolder))
        {
            File.Delete(file);
        }

        await server.RestartAsync();
        await ann.IsAsync("connected");
        await Visitor.IsThereAsync(ann["gap-marker"]);
        await ann.SayAsync("after");
        await ann.AllIsKeptAsync();
        await ann.SeesAsync("before", "after");
    }

    [Fact]
    public async Task Who_comes_and_goes_is_seen_by_all_members_of_the_room()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-p", "room=presence&transport=signalr");
        await using (var bob = await browser.OpenAsync(browser.Server, "bob-p", "room=presence&transport=socketio"))
        {
            await Visitor.IsThereAsync(ann.Member("bob-p"));
            await Visitor.IsThereAsync(bob.Member("ann-p"));
            await using var eve = await browser.OpenAsync(browser.Server, "eve-p", "room=presence&transport=sse");
            await Visitor.IsThereAsync(ann["member-item"], 3);
        }

        await Visitor.IsThereAsync(ann["member-item"], 1);
    }

    [Fact]
    public async Task Unread_messages_of_another_room_are_counted_until_it_is_opened()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-u", "room=unread-a&room=unread-b&transport=signalr");
        await using var bob = await browser.OpenAsync(browser.Server, "bob-u", "room=unread-a&transport=signalr");
        await bob.SayAsync("one");
        await bob.SayAsync("two");
        await Visitor.HasAsync(ann.Conversation("unread-a"), "data-unread", "2");
        await ann.Conversation("unread-a").ClickAsync();
        await ann.SeesAsync("one", "two");
        await Visitor.HasAsync(ann.Conversation("unread-a"), "data-unread", "0");
    }

    [Fact]
    public async Task Older_messages_are_loaded_above_and_what_is_read_stays_in_its_place()
    {
        using var rest = await browser.Server.RestAsync("writer");
        for (int i = 1; i <= 80; i++)
        {
            using var kept = await rest.PostAsJsonAsync("/api/rooms/long/messages", new { @event = "message", data = $"line {i}" }, TestContext.Current.CancellationToken);
            kept.EnsureSuccessStatusCode();
        }

        await using var ann = await browser.OpenAsync(browser.Server, "ann-l", "room=long&transport=signalr");
        await Visitor.IsThereAsync(ann["message"], 50);
        await Visitor.ShowsAsync(ann["message"].Last, "line 80");
        var log = ann["message-list"];
        await log.EvaluateAsync("log => { log.scrollTop = 0; }");
        var first = ann["message"].Filter(new() { HasTextString = "line 31" }).First;
        double before = (await first.BoundingBoxAsync())!.Y;
        await ann["load-older"].ClickAsync();
        await Visitor.IsThereAsync(ann["message"], 80);
        double after = (await first.BoundingBoxAsync())!.Y;
        Assert.InRange(after - before, -60, 60); // The button above may go.
    }

    [Fact]
    public async Task A_transport_is_switched_and_the_conversation_goes_on_where_it_was()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-t", "room=switch&transport=signalr");
        await using var bob = await browser.OpenAsync(browser.Server, "bob-t", "room=switch&transport=signalr");
        var said = new List<string>();
        foreach (string transport in new[] { "sse", "socketio", "signalr" })
        {
            await ann["transport-select"].SelectOptionAsync(transport);
            await bob.SayAsync($"while {transport}"); // Perhaps while ann has no connection at all.
            said.Add($"while {transport}");
            await Visitor.HasAsync(ann["transport-label"], "data-transport", transport);
            await ann.IsAsync("connected");
            await ann.SayAsync($"by {transport}");
            said.Add($"by {transport}");
            await bob.SeesAsync([.. said]);
            await ann.SeesAsync([.. said]);
        }

        Assert.Equal(0, await ann["gap-marker"].CountAsync());
    }
}
