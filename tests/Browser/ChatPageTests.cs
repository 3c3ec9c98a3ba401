using Microsoft.Playwright;
using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>The page in a real browser, against the real process.</summary>
public sealed class ChatPageTests
{
    [Theory]
    [InlineData("signalr")]
    [InlineData("sse")]
    public async Task Two_people_chat_one_reloads_and_both_survive_a_restart_of_the_server(string transport)
    {
        await using var server = await ServerProcess.StartAsync();
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        });
        var ann = await OpenAsync(browser, server, "ann", transport);
        var bob = await OpenAsync(browser, server, "bob", transport);

        await SayAsync(ann, "hello bob");
        await SeesAsync(bob, "hello bob");
        await SayAsync(bob, "hello ann");
        await SeesAsync(ann, "hello bob", "hello ann");

        await bob.ReloadAsync();
        await SeesAsync(bob, "hello bob", "hello ann");

        await server.KillAsync();
        await StateAsync(ann, "reconnecting");
        await server.RestartAsync();
        await StateAsync(ann, "connected");
        await StateAsync(bob, "connected");
        await SayAsync(ann, "still here");
        await SeesAsync(bob, "hello bob", "hello ann", "still here");
        await SeesAsync(ann, "hello bob", "hello ann", "still here");
        Assert.Equal(0, await bob.GetByTestId("gap-marker").CountAsync());
    }

    static async Task<IPage> OpenAsync(IBrowser browser, ServerProcess server, string user, string transport)
    {
        var page = await (await browser.NewContextAsync()).NewPageAsync();
        page.SetDefaultTimeout(60_000);
        await page.GotoAsync(new Uri(server.Address, $"/?user={user}&room=general&transport={transport}").ToString());
        await StateAsync(page, "connected");
        return page;
    }

    static async Task SayAsync(IPage page, string text)
    {
        await page.GetByTestId("message-input").FillAsync(text);
        await page.GetByTestId("send-button").ClickAsync();
    }

    static Task StateAsync(IPage page, string state) =>
        Assertions.Expect(page.GetByTestId("connection-state")).ToHaveAttributeAsync("data-state", state, new() { Timeout = 60_000 });

    /// <summary>These messages, in this order, and no others.</summary>
    static async Task SeesAsync(IPage page, params string[] texts)
    {
        var messages = page.GetByTestId("message");
        await Assertions.Expect(messages).ToHaveCountAsync(texts.Length, new() { Timeout = 60_000 });
        for (int i = 0; i < texts.Length; i++)
        {
            await Assertions.Expect(messages.Nth(i)).ToContainTextAsync(texts[i]);
        }
    }
}
