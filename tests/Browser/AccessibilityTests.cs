using System.Text.Json;
using Microsoft.Playwright;

namespace OrleansRealtime.Tests.Browser;

/// <summary>The page without a mouse, on a phone, in both colour schemes, and for who does not see it.</summary>
[Collection(BrowserTests.Name)]
public sealed class AccessibilityTests(BrowserFixture browser)
{
    static readonly string[] s_tools = ["deployments", "topics", "requests", "notices"];

    /// <summary>axe-core, which <c>npm ci</c> has put there.</summary>
    static string Axe => File.ReadAllText(Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../Browser/node/node_modules/axe-core/axe.min.js")));

    [Fact]
    public async Task All_of_it_works_by_keyboard()
    {
        await using var ann = await browser.WindowAsync(browser.Server, "ann-y");
        var keyboard = ann.Page.Keyboard;
        await ann.GoAsync("transport=signalr");
        await ann["name-input"].WaitForAsync();
        await keyboard.TypeAsync("ann-y"); // The field has the focus.
        await keyboard.PressAsync("Enter");
        await ann.IsAsync("connected");

        await keyboard.PressAsync("Tab");
        Assert.Equal("Skip to the conversation", await FocusedAsync(ann, "element => element.textContent"));
        await keyboard.PressAsync("Enter");
        Assert.Equal("main", await FocusedAsync(ann, "element => element.id"));

        await TabToAsync(ann, "room-input", backwards: true);
        await keyboard.TypeAsync("keyboard");
        await keyboard.PressAsync("Enter");
        await TabToAsync(ann, "message-input");
        await keyboard.TypeAsync("typed");
        await keyboard.PressAsync("Enter");
        await ann.SeesAsync("typed");
        Assert.Equal("message-input", await FocusedAsync(ann, "element => element.dataset.testid"));

        await TabToAsync(ann, "security-button", backwards: true);
        await keyboard.PressAsync("Enter");
        await TabToAsync(ann, "encrypt-switch");
        await keyboard.PressAsync("Space");
        await Visitor.HasAsync(ann["message-input"], "aria-label", "Encrypted message");
        await keyboard.PressAsync("Escape");
        await Visitor.IsThereAsync(ann["security-panel"], 0);
        Assert.Equal("security-button", await FocusedAsync(ann, "element => element.dataset.testid"));
        Assert.NotEqual("none", await FocusedAsync(ann, "element => getComputedStyle(element).outlineStyle"));

        await TabToAsync(ann, "tool-deployments", backwards: true);
        await keyboard.PressAsync("Enter");
        await TabToAsync(ann, "deploy-feature");
        await keyboard.TypeAsync("by-keyboard");
        await keyboard.PressAsync("Enter");
        await Visitor.IsThereAsync(ann["deployment"]);
    }

    [Fact]
    public async Task On_a_phone_nothing_is_wider_than_the_screen_and_the_drawers_come_and_go()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-with-a-rather-long-name-for-a-phone", "room=a-room-with-a-rather-long-name-for-a-phone&transport=signalr", Phone());
        await ann.SayAsync("a-word-that-is-longer-than-any-phone-is-wide-" + new string('x', 80));
        await ann.AllIsKeptAsync();
        await FitsAsync(ann, "conversation");
        foreach (string button in new[] { "security-button", "members-button", "inspector-button" })
        {
            await ann[button].ClickAsync();
            await FitsAsync(ann, button);
            await ann.Page.Keyboard.PressAsync("Escape");
            await Visitor.IsThereAsync(ann.Page.Locator("#panel"), 0);
            Assert.Equal(button, await FocusedAsync(ann, "element => element.dataset.testid"));
        }

        foreach (string tool in s_tools)
        {
            await ann["open-nav"].ClickAsync();
            Assert.Equal("Close", await FocusedAsync(ann, "element => element.ariaLabel"));
            await FitsAsync(ann, "drawer");
            await ann.ToolAsync(tool);
            await Assertions.Expect(ann["tool-" + tool]).Not.ToBeInViewportAsync();
            await FitsAsync(ann, tool);
        }

        await ann["open-nav"].ClickAsync();
        await ann.Page.Keyboard.PressAsync("Escape");
        Assert.Equal("open-nav", await FocusedAsync(ann, "element => element.dataset.testid"));
    }

    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Names_roles_and_contrast_are_as_WCAG_AA_asks(ColorScheme scheme)
    {
        await using var entrance = await browser.WindowAsync(browser.Server, "", Scheme(scheme));
        await entrance.GoAsync("");
        await entrance["name-input"].WaitForAsync();
        await IsCleanAsync(entrance, "sign-in");

        string room = $"axe-{scheme}";
        await using var bob = await browser.OpenAsync(browser.Server, "bob-" + room, $"room={room}&transport=signalr");
        await using var ann = await browser.OpenAsync(browser.Server, "ann-" + room, $"room={room}&transport=signalr&role=admin", Scheme(scheme));
        await bob.SayAsync("in the clear");
        await ann.SeesAsync("in the clear");
        await ann.SayAsync(new string('x', 70_000)); // Fails.
        await Visitor.IsThereAsync(ann["discard-message"]);
        await IsCleanAsync(ann, "conversation");
        await ann["discard-message"].ClickAsync();

        await ann["security-button"].ClickAsync();
        await ann["encrypt-switch"].ClickAsync();
        await Visitor.IsThereAsync(ann["refused-message"]);
        await ann["own-key"].WaitForAsync();
        await IsCleanAsync(ann, "encryption");

        await ann.ToolAsync("deployments");
        await ann["deploy-feature"].FillAsync("axe");
        await ann["deploy-button"].ClickAsync();
        await ann["inspector-button"].ClickAsync();
        await Visitor.HasAsync(ann["deployment"], "data-status", "completed");
        await IsCleanAsync(ann, "deployments, inspector");
        foreach (string tool in s_tools[1..])
        {
            await ann.ToolAsync(tool);
            await IsCleanAsync(ann, tool);
        }
    }

    static BrowserNewContextOptions Phone() => new() { ViewportSize = new() { Width = 360, Height = 740 }, HasTouch = true, IsMobile = true };

    /// <summary>Without motion: what fades in has not its contrast yet.</summary>
    static BrowserNewContextOptions Scheme(ColorScheme scheme) => new() { ColorScheme = scheme, ReducedMotion = ReducedMotion.Reduce };

    static async Task IsCleanAsync(Visitor visitor, string where)
    {
        await visitor.Page.EvaluateAsync(Axe);
        string violations = await visitor.Page.EvaluateAsync<string>(
            """
            async () => JSON.stringify((await axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })).violations
              .map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`) })), null, 1)
            """);
        Assert.True(violations == "[]", $"{where}: {violations}");
    }

    static async Task FitsAsync(Visitor visitor, string where)
    {
        int[] widths = JsonSerializer.Deserialize<int[]>(await visitor.Page.EvaluateAsync<string>(
            "() => JSON.stringify([document.documentElement.scrollWidth, innerWidth, ...[...document.querySelectorAll('.scrolls')].map(e => 360 + e.scrollWidth - e.clientWidth)])"))!;
        Assert.True(widths.All(width => width <= 360), $"{where}: {string.Join(", ", widths)}");
    }

    static Task<string?> FocusedAsync(Visitor visitor, string expression) => visitor.Page.EvaluateAsync<string?>($"() => ({expression})(document.activeElement)");

    static async Task TabToAsync(Visitor visitor, string testId, bool backwards = false)
    {
        for (int i = 0; i < 80; i++)
        {
            if (await FocusedAsync(visitor, "element => element.dataset.testid") == testId)
            {
                return;
            }

            await visitor.Page.Keyboard.PressAsync(backwards ? "Shift+Tab" : "Tab");
        }

        Assert.Fail($"Tab does not lead to {testId}.");
    }
}
