using Microsoft.Playwright;
using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>One browser for all tests of the page, and a server for those that leave it alone: each has rooms and users of its own.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    IPlaywright _playwright = null!;
    IBrowser _browser = null!;
    ServerProcess _server = null!;

    internal ServerProcess Server => _server;

    public async ValueTask InitializeAsync()
    {
        var starting = ServerProcess.StartAsync();
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = "/usr/bin/chromium",
            Args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        });
        _server = await starting;
    }

    /// <summary>A window of its own, with storage of its own, in which nothing has been opened yet.</summary>
    internal async Task<Visitor> WindowAsync(ServerProcess server, string user, BrowserNewContextOptions? options = null)
    {
        var context = await _browser.NewContextAsync(options ?? new());
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(60_000);
        return new(page, server, user);
    }

    /// <summary>Someone who has opened the page, and is connected.</summary>
    /// <param name="query">Beside the user: rooms, the transport, a role, a lifetime of tokens.</param>
    internal async Task<Visitor> OpenAsync(ServerProcess server, string user, string query, BrowserNewContextOptions? options = null)
    {
        var visitor = await WindowAsync(server, user, options);
        await visitor.ComeAsync(query);
        return visitor;
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        await _server.DisposeAsync();
    }
}

/// <summary>A browser takes much of a small machine, so one of these tests runs after the other.</summary>
[CollectionDefinition(Name)]
public sealed class BrowserTests : ICollectionFixture<BrowserFixture>
{
    public const string Name = "browser";
}
