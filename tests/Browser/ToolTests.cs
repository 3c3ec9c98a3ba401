namespace OrleansRealtime.Tests.Browser;

/// <summary>Deployments, topics, requests and announcements.</summary>
[Collection(BrowserTests.Name)]
public sealed class ToolTests(BrowserFixture browser)
{
    [Fact]
    public async Task A_deployment_is_followed_to_its_end()
    {
        await using var ann = await DeployAsync("ann-j1", "checkout-2.4");
        var seen = new HashSet<string?>();
        await Eventually.True("the deployment has completed", async () =>
        {
            // In this order: what is seen last is seen of the completed one.
            bool completed = await ann["deployment"].GetAttributeAsync("data-status") == "completed";
            seen.Add(await ann["deployment"].GetAttributeAsync("data-progress"));
            return completed;
        });
        Assert.Contains("100", seen);
        Assert.True(seen.Count > 2, $"Only {string.Join(", ", seen)} was seen of the progress.");
        Assert.Equal("100", await ann["deployment"].Locator("progress").GetAttributeAsync("value"));

        await ann.Page.ReloadAsync(); // The stream of a job that has ended tells it again.
        await Visitor.HasAsync(ann["deployment"], "data-status", "completed");
    }

    [Fact]
    public async Task A_deployment_is_cancelled()
    {
        await using var ann = await DeployAsync("ann-j2", "search-1.9");
        await ann["cancel-deployment"].ClickAsync();
        await Visitor.HasAsync(ann["deployment"], "data-status", "cancelled");
        await Visitor.IsThereAsync(ann["cancel-deployment"], 0);
    }

    [Fact]
    public async Task A_deployment_that_fails_says_why()
    {
        await using var ann = await DeployAsync("ann-j3", "billing-7.0", fails: true);
        await Visitor.HasAsync(ann["deployment"], "data-status", "failed");
        await Visitor.ShowsAsync(ann["deployment-message"], "2 of 12 instances");
    }

    [Fact]
    public async Task A_lost_connection_is_not_a_failed_deployment()
    {
        await using var server = await EndToEnd.ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", "room=general&transport=signalr");
        await StartDeploymentAsync(ann, "checkout-2.4");
        await server.KillAsync();
        await Visitor.HasAsync(ann["deployment"], "data-connection", "lost");
        await Visitor.HasAsync(ann["deployment"], "data-status", "running");
        await server.RestartAsync();
        await Visitor.HasAsync(ann["deployment"], "data-status", "completed");
    }

    [Fact]
    public async Task A_user_is_asked_and_answers_declines_or_is_not_there()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-r", "room=requests&transport=signalr");
        await ann.ToolAsync("requests");
        await AskAsync(ann, "bob-r", "Anybody there?");
        await Visitor.HasAsync(ann["question"].First, "data-outcome", "offline");

        await using var bob = await browser.OpenAsync(browser.Server, "bob-r", "room=requests&transport=socketio");
        await AskAsync(ann, "bob-r", "Now?");
        await Visitor.ShowsAsync(bob["asked"], "Now?");
        await bob["answer-input"].FillAsync("Here I am");
        await bob["answer-button"].ClickAsync();
        await Visitor.HasAsync(ann["question"].First, "data-outcome", "answered");
        await Visitor.ShowsAsync(ann["question"].First, "Here I am");

        await AskAsync(ann, "bob-r", "And now?");
        await bob["refuse-button"].ClickAsync();
        await Visitor.HasAsync(ann["question"].First, "data-outcome", "refused");

        await AskAsync(ann, "bob-r", "Quickly?", seconds: 1);
        await Visitor.HasAsync(ann["question"].First, "data-outcome", "timeout");
        await Visitor.IsThereAsync(bob["asked"], 0);
    }

    [Fact]
    public async Task A_publication_reaches_those_whose_pattern_it_matches()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-s", "room=topics&transport=signalr");
        await using var bob = await browser.OpenAsync(browser.Server, "bob-s", "room=topics&transport=sse");
        await ann.ToolAsync("topics");
        await bob.ToolAsync("topics");
        await SubscribeAsync(ann, "orders.*");
        await SubscribeAsync(bob, "orders.created.>");

        await PublishAsync(bob, "orders.created", """{"item": "tea"}""");
        await Visitor.HasAsync(ann["publication"].First, "data-topic", "orders.created");
        await Visitor.ShowsAsync(ann["publication"].First, "tea");
        await PublishAsync(bob, "orders.created.eu", "two words more");
        await Visitor.HasAsync(bob["publication"].First, "data-topic", "orders.created.eu");
        await PublishAsync(bob, "orders.cancelled", "one word");
        await Visitor.HasAsync(ann["publication"].First, "data-topic", "orders.cancelled");
        await Visitor.IsThereAsync(ann["publication"], 2);
        await Visitor.IsThereAsync(bob["publication"], 1);

        await SubscribeAsync(ann, "*.created");
        await Visitor.IsThereAsync(ann.Page.GetByRole(Microsoft.Playwright.AriaRole.Alert));
        await Visitor.IsThereAsync(ann["subscription"], 1);
    }

    [Fact]
    public async Task An_announcement_reaches_everybody_and_only_administrators_make_one()
    {
        await using var root = await browser.OpenAsync(browser.Server, "root-n", "role=admin&room=notices&transport=signalr");
        await using var ann = await browser.OpenAsync(browser.Server, "ann-n", "room=notices&transport=sse");
        await using var bob = await browser.OpenAsync(browser.Server, "bob-n", "room=notices&transport=socketio");
        await ann.ToolAsync("notices");
        await Visitor.IsThereAsync(ann["broadcast-input"], 0);

        await root.ToolAsync("notices");
        await root["broadcast-input"].FillAsync("Maintenance at ten");
        await root["broadcast-button"].ClickAsync();
        await Visitor.ShowsAsync(ann["announcement"].First, "Maintenance at ten");
        await Visitor.ShowsAsync(ann["announcement"].First, "root-n");
        await Visitor.ShowsAsync(bob["notification"], "Maintenance at ten");
    }

    async Task<Visitor> DeployAsync(string user, string feature, bool fails = false)
    {
        var visitor = await browser.OpenAsync(browser.Server, user, "room=general&transport=signalr");
        await StartDeploymentAsync(visitor, feature, fails);
        return visitor;
    }

    static async Task StartDeploymentAsync(Visitor visitor, string feature, bool fails = false)
    {
        await visitor.ToolAsync("deployments");
        await visitor["deploy-feature"].FillAsync(feature);
        await visitor["deploy-fail"].SetCheckedAsync(fails);
        await visitor["deploy-button"].ClickAsync();
        await Visitor.IsThereAsync(visitor["deployment"]);
    }

    static async Task AskAsync(Visitor visitor, string user, string text, int seconds = 30)
    {
        int asked = await visitor["question"].CountAsync();
        await visitor["ask-user"].FillAsync(user);
        await visitor["ask-text"].FillAsync(text);
        await visitor["ask-seconds"].FillAsync($"{seconds}");
        await visitor["ask-button"].ClickAsync();
        await Visitor.IsThereAsync(visitor["question"], asked + 1);
    }

    static async Task SubscribeAsync(Visitor visitor, string pattern)
    {
        await visitor["pattern-input"].FillAsync(pattern);
        await visitor["subscribe-button"].ClickAsync();
    }

    static async Task PublishAsync(Visitor visitor, string topic, string data)
    {
        await visitor["topic-input"].FillAsync(topic);
        await visitor["topic-data"].FillAsync(data);
        await visitor["publish-button"].ClickAsync();
    }
}
