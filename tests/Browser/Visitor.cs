using System.Collections.Concurrent;
using Microsoft.Playwright;
using OrleansRealtime.Tests.EndToEnd;
using static Microsoft.Playwright.Assertions;

namespace OrleansRealtime.Tests.Browser;

/// <summary>A user at the page, who clicks, types and looks.</summary>
sealed class Visitor : IAsyncDisposable
{
    /// <summary>Milliseconds that something may take on a busy machine.</summary>
    const float Patience = 60_000;

    readonly IPage _page;
    readonly ServerProcess _server;
    readonly ConcurrentQueue<string> _mistakes = new();

    public Visitor(IPage page, ServerProcess server, string user)
    {
        (_page, _server, User) = (page, server, user);
        page.PageError += (_, error) => _mistakes.Enqueue(error);
        page.Console += (_, message) =>
        {
            if (message.Text.Contains("Content Security Policy", StringComparison.Ordinal))
            {
                _mistakes.Enqueue(message.Text);
            }
        };
    }

    public string User { get; }

    public IPage Page => _page;

    public ILocator this[string testId] => _page.GetByTestId(testId);

    /// <summary>Opens the page and waits for the connection.</summary>
    public async Task ComeAsync(string query)
    {
        await GoAsync($"user={User}&{query}");
        await IsAsync("connected");
    }

    public Task GoAsync(string query) => _page.GotoAsync(new Uri(_server.Address, "/?" + query).ToString());

    public async Task SayAsync(string text)
    {
        await this["message-input"].FillAsync(text);
        await this["send-button"].ClickAsync();
    }

    /// <summary>These messages of the open room, in this order, and no others.</summary>
    public Task SeesAsync(params string[] texts) => ListsAsync("message", texts);

    /// <summary>The same of the open conversation with a user.</summary>
    public Task SeesDirectAsync(params string[] texts) => ListsAsync("direct-message", texts);

    async Task ListsAsync(string testId, string[] texts)
    {
        var messages = this[testId];
        await Expect(messages).ToHaveCountAsync(texts.Length, new() { Timeout = Patience });
        for (int i = 0; i < texts.Length; i++)
        {
            await Expect(messages.Nth(i)).ToContainTextAsync(texts[i], new() { Timeout = Patience });
        }
    }

    /// <summary>All that stands in the open conversation is kept.</summary>
    public Task AllIsKeptAsync() => Expect(_page.Locator("[data-state=pending], [data-state=failed]").And(this["message"].Or(this["direct-message"])))
        .ToHaveCountAsync(0, new() { Timeout = Patience });

    /// <summary>The state of the connection.</summary>
    public Task IsAsync(string state) => HasAsync("connection-state", "data-state", state);

    public Task HasAsync(string testId, string attribute, string value) => HasAsync(this[testId], attribute, value);

    public static Task HasAsync(ILocator element, string attribute, string value) => Expect(element).ToHaveAttributeAsync(attribute, value, new() { Timeout = Patience });

    public static Task ShowsAsync(ILocator element, string text) => Expect(element).ToContainTextAsync(text, new() { Timeout = Patience });

    public static Task IsThereAsync(ILocator element, int count = 1) => Expect(element).ToHaveCountAsync(count, new() { Timeout = Patience });

    public Task ToolAsync(string tool) => this["tool-" + tool].ClickAsync();

    public async Task JoinAsync(string room)
    {
        await this["room-input"].FillAsync(room);
        await this["join-button"].ClickAsync();
    }

    public ILocator Conversation(string name) => _page.Locator($"[data-testid=direct-item][data-name='{name}'], [data-testid=room-item][data-name='{name}']");

    public ILocator Member(string name) => _page.Locator($"[data-testid=member-item][data-user='{name}']");

    /// <summary>Closes the window: the user is away. Nothing in the page may have gone wrong unnoticed.</summary>
    public async ValueTask DisposeAsync()
    {
        await _page.Context.CloseAsync();
        Assert.Empty(_mistakes);
    }
}
