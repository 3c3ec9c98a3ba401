using System.Net.Http.Json;
using Microsoft.Playwright;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Kubernetes;

namespace OrleansRealtime.Tests.Browser;

/// <summary>
/// Takes <c>docs/page.png</c> and the pictures of <c>docs/screenshots</c> anew. Only when it is asked to:
/// <c>dotnet run --project tests -- --explicit only --filter-class '*Screenshots'</c>
/// </summary>
[Collection(BrowserTests.Name)]
public sealed class Screenshots(BrowserFixture browser)
{
    static readonly (string User, string Text)[] s_said =
    [
        ("bob", "Is the 2.4 rollout still on for today?"),
        ("eve", "Yes, the canary has been green for two hours."),
        ("kim", "I will watch the dashboards. Two regions first, then the rest."),
        ("kim", "Error budget looks fine."),
        ("bob", "Reconnected on the train three times and did not miss a line."),
        ("eve", "That is the cursor doing its work."),
    ];

    [Fact(Explicit = true)]
    public async Task Taken()
    {
        await using var server = await ServerProcess.StartAsync();
        foreach (var (user, text) in s_said)
        {
            await PublishAsync(server, user, "/api/rooms/general/messages", text);
        }

        await using var ann = await browser.OpenAsync(server, "ann", "room=releases&room=general&transport=signalr", In(ColorScheme.Light));
        await using var bob = await browser.OpenAsync(server, "bob", "room=general&transport=socketio", In(ColorScheme.Dark));
        await using var eve = await browser.OpenAsync(server, "eve", "room=general&transport=sse", In(ColorScheme.Light));
        await using var kim = await browser.OpenAsync(server, "kim", "room=general&transport=signalr", In(ColorScheme.Dark));
        await PublishAsync(server, "bob", "/api/users/ann/messages", "Ann, could you review the runbook?");
        await PublishAsync(server, "kim", "/api/rooms/releases/messages", "2.4.1 is tagged.");
        await ann.SayAsync("Starting the deployment now.");
        await ann.AllIsKeptAsync();
        await Visitor.HasAsync(ann.Conversation("bob"), "data-unread", "1");
        await Visitor.IsThereAsync(ann["member-item"], 4);
        await using (var root = await browser.OpenAsync(server, "root", "role=admin&transport=signalr"))
        {
            await root.ToolAsync("notices");
            await root["broadcast-input"].FillAsync("Maintenance tonight at 22:00, five minutes at most.");
            await root["broadcast-button"].ClickAsync();
            await ann["notification"].WaitForAsync();
            await ann["message-input"].BlurAsync();
            await TakeAsync(ann, "docs/page.png");
        }

        await ann.ToolAsync("deployments");
        foreach (var (feature, fails) in new[] { ("search-1.9", false), ("billing-7.0", true), ("checkout-2.4", false) })
        {
            await ann["deploy-feature"].FillAsync(feature);
            await ann["deploy-fail"].SetCheckedAsync(fails);
            await ann["deploy-button"].ClickAsync();
            await Visitor.IsThereAsync(ann.Page.Locator(".job").Filter(new() { HasTextString = feature }));
            await Visitor.HasAsync(ann["deployment"].First, feature == "checkout-2.4" ? "data-progress" : "data-status", feature == "checkout-2.4" ? "50" : fails ? "failed" : "completed");
        }

        await TakeAsync(ann, "docs/screenshots/deployment.png");

        await EncryptAsync(kim, "incident");
        await EncryptAsync(bob, "incident");
        await kim.SayAsync("Encrypted from here on. Comparing fingerprints on the phone.");
        await bob.SayAsync("Yours is the one I see, kim. Marked as verified.");
        await bob["verify-button"].First.ClickAsync();
        await Visitor.HasAsync(bob["user-key"].First, "data-verified", "true");
        await PublishAsync(server, "eve", "/api/rooms/incident/messages", "Can anybody read this?");
        await Visitor.IsThereAsync(bob["refused-message"]);
        await bob.SayAsync("The new credentials are in the vault, rotated this morning.");
        await bob.AllIsKeptAsync();
        await bob["message-input"].BlurAsync();
        await TakeAsync(bob, "docs/screenshots/encryption.png");

        await kim.Conversation("general").ClickAsync();
        await kim["inspector-button"].ClickAsync();
        await Eventually.True(
            "there is a line to see", async () => int.Parse((await kim["latency-chart"].GetAttributeAsync("data-samples"))!, null) >= 12, within: TimeSpan.FromMinutes(1));
        await TakeAsync(kim, "docs/screenshots/inspector.png");

        await using var phone = await browser.OpenAsync(server, "raj", "room=general&transport=sse", new()
        {
            ViewportSize = new() { Width = 390, Height = 780 },
            ColorScheme = ColorScheme.Dark,
            DeviceScaleFactor = 2,
            HasTouch = true,
            IsMobile = true,
            ReducedMotion = ReducedMotion.Reduce,
        });
        await Visitor.IsThereAsync(phone["message"], s_said.Length + 1);
        await TakeAsync(phone, "docs/screenshots/phone.png");
    }

    static BrowserNewContextOptions In(ColorScheme scheme) => new()
    {
        ViewportSize = new() { Width = 1280, Height = 800 },
        ColorScheme = scheme,
        ReducedMotion = ReducedMotion.Reduce,
    };

    static async Task EncryptAsync(Visitor visitor, string room)
    {
        await visitor.JoinAsync(room);
        await visitor["security-button"].ClickAsync();
        await visitor["encrypt-switch"].ClickAsync();
        await visitor["own-key"].WaitForAsync();
    }

    static async Task PublishAsync(ServerProcess server, string user, string path, string text)
    {
        using var rest = await server.RestAsync(user);
        using var kept = await rest.PostAsJsonAsync(path, new { @event = "message", data = text }, TestContext.Current.CancellationToken);
        kept.EnsureSuccessStatusCode();
    }

    static async Task TakeAsync(Visitor visitor, string file) => await visitor.Page.ScreenshotAsync(new() { Path = Path.Combine(Overlay.Root, file) });
}
