using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Playwright;
using OrleansRealtime.Hosting;
using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>
/// What tutorials of Socket.IO teach clients to do, against the gateway's process as it is shipped: unchanged clients, without a line about
/// this project in them (<c>node/guide</c>).
/// </summary>
public sealed class GuideTests
{
    static readonly TimeSpan ScriptLimit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Two_pages_of_another_site_chat_and_survive_a_restart_of_the_server()
    {
        string origin = $"http://127.0.0.1:{FreePort.Next()}";
        await using var site = await StartSiteAsync(origin);
        await using var server = await ServerProcess.StartAsync(("Realtime:Cors:Origins:0", origin));
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        });
        var first = await OpenAsync(browser, origin, server.Address);
        var second = await OpenAsync(browser, origin, server.Address);

        await SayAsync(first, "hello");
        await SeesAsync(second, "hello");
        await SayAsync(second, "hello too");
        await SeesAsync(first, "hello", "hello too");

        await server.KillAsync();
        await IsAsync(first, "away");
        await server.RestartAsync();
        await IsAsync(first, "joined");
        await IsAsync(second, "joined");
        await SayAsync(first, "still here");
        await SeesAsync(second, "hello", "hello too", "still here");
        await SeesAsync(first, "hello", "hello too", "still here");
        Assert.StartsWith("guest-", await second.Locator(".message").First.GetAttributeAsync("title"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_page_of_a_site_that_is_not_named_cannot_connect()
    {
        string origin = $"http://127.0.0.1:{FreePort.Next()}";
        await using var site = await StartSiteAsync(origin);
        await using var server = await ServerProcess.StartAsync(("Realtime:Cors:Origins:0", "https://chat.example"));
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = "/usr/bin/chromium", Args = ["--no-sandbox", "--disable-gpu"] });
        var page = await (await browser.NewContextAsync()).NewPageAsync();
        var refused = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        page.Console += (_, message) =>
        {
            if (message.Text.Contains("Access-Control-Allow-Origin", StringComparison.Ordinal))
            {
                refused.TrySetResult(message.Text);
            }
        };
        await page.GotoAsync($"{origin}/?server={server.Address.GetLeftPart(UriPartial.Authority)}&room=general");
        await refused.Task.WaitAsync(ScriptLimit, TestContext.Current.CancellationToken);
        await IsAsync(page, "away");
    }

    [Fact]
    public async Task A_client_that_is_refused_for_its_token_connects_with_a_new_one()
    {
        await using var server = await ServerProcess.StartAsync();
        string seen = await RunAsync("guide/refresh-token.mjs", server.Address.GetLeftPart(UriPartial.Authority), "ann");
        Assert.Equal("""["Authentication failed","connected","ann"]""", seen);
    }

    [Fact]
    public async Task Acknowledgements_bytes_and_requests_are_as_the_patterns_expect()
    {
        await using var server = await ServerProcess.StartAsync();
        var result = JsonDocument.Parse(await RunAsync("guide/patterns.mjs", server.Address.GetLeftPart(UriPartial.Authority))).RootElement;
        Assert.Equal("""{"status":"received"}""", result.GetProperty("request").GetRawText());
        Assert.Equal("""{"status":"received"}""", result.GetProperty("requestWithData").GetRawText());
        Assert.Equal("""{"isBuffer":true,"text":"hello"}""", result.GetProperty("binary").GetRawText());
        var started = result.GetProperty("deployed").GetProperty("started");
        Assert.Equal(("deploy", "running"), (started.GetProperty("name").GetString(), started.GetProperty("status").GetString()));
        Assert.Contains(' ', result.GetProperty("notDeployed").GetProperty("failed").GetString()!);
        Assert.Equal(result.GetProperty("third").GetString(), result.GetProperty("joined").GetString());
        var message = result.GetProperty("message");
        Assert.Equal("hello", message.GetProperty("message").GetString());
        Assert.Equal(result.GetProperty("id").GetString(), message.GetProperty("from").GetString());
        Assert.True(message.GetProperty("isDate").GetBoolean());
    }

    [Fact]
    public async Task A_deployment_is_started_by_a_request_and_watched_by_an_EventSource_to_its_end()
    {
        await using var server = await ServerProcess.StartAsync();
        var seen = JsonDocument.Parse(await RunAsync("guide/job.mjs", server.Address.GetLeftPart(UriPartial.Authority))).RootElement;
        Assert.Equal($"/jobs/{seen.GetProperty("started").GetProperty("id").GetString()}/events", seen.GetProperty("started").GetProperty("events").GetString());
        Assert.Equal([25, 50, 75, 100], seen.GetProperty("updates").EnumerateArray().Select(u => u.GetProperty("progress").GetInt32()));
        Assert.Equal("1", seen.GetProperty("result").GetProperty("featureId").GetString());
    }

    /// <summary>Another site, with the chat on its only page.</summary>
    static async Task<WebApplication> StartSiteAsync(string origin)
    {
        string script = await RunAsync("bundle.mjs", "guide/ChatRoom.jsx");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(origin);
        var site = builder.Build();
        site.MapGet("/", () => Results.Text("<!doctype html><div id=root></div><script src=chat.js></script>", "text/html"));
        site.MapGet("/chat.js", () => Results.Text(script, "text/javascript"));
        await site.StartAsync(TestContext.Current.CancellationToken);
        return site;
    }

    /// <summary>Runs a script of Node; returns what it has written.</summary>
    static async Task<string> RunAsync(string script, params string[] arguments)
    {
        using var process = NodeClients.Start(script, arguments);
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(ScriptLimit);
        }
        catch (TimeoutException)
        {
            process.Kill();
            Assert.Fail($"{script} does not end. Output: {await output} {await errors}");
        }

        Assert.True(process.ExitCode == 0, $"{script}: {await output} {await errors}");
        return (await output).TrimEnd('\n');
    }

    static async Task<IPage> OpenAsync(IBrowser browser, string origin, Uri server)
    {
        var page = await (await browser.NewContextAsync()).NewPageAsync();
        await page.GotoAsync($"{origin}/?server={server.GetLeftPart(UriPartial.Authority)}&room=general");
        await IsAsync(page, "joined");
        return page;
    }

    static async Task SayAsync(IPage page, string text)
    {
        await page.Locator("input").FillAsync(text);
        await page.Locator("input").PressAsync("Enter");
        await Assertions.Expect(page.Locator("input")).ToHaveValueAsync("");
    }

    static Task IsAsync(IPage page, string state) =>
        Assertions.Expect(page.Locator("main")).ToHaveAttributeAsync("data-state", state, new() { Timeout = 60_000 });

    /// <summary>These messages, in this order, and no others.</summary>
    static Task SeesAsync(IPage page, params string[] texts) =>
        Assertions.Expect(page.Locator(".message")).ToHaveTextAsync(texts, new() { Timeout = 60_000 });
}
