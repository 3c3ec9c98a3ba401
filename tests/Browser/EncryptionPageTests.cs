using OrleansRealtime.Tests.EndToEnd;

namespace OrleansRealtime.Tests.Browser;

/// <summary>What is encrypted is read by those it is for, and by nobody else: not by the server, and not by who has no key.</summary>
[Collection(BrowserTests.Name)]
public sealed class EncryptionPageTests(BrowserFixture browser)
{
    [Fact]
    public async Task An_encrypted_room_is_read_by_its_members_and_not_on_the_servers_disk()
    {
        await using var server = await ServerProcess.StartAsync();
        await using var ann = await browser.OpenAsync(server, "ann", "room=incident&transport=signalr");
        await using var bob = await browser.OpenAsync(server, "bob", "room=incident&transport=socketio");
        await using var eve = await browser.OpenAsync(server, "eve", "room=incident&transport=sse");
        await EncryptAsync(ann);
        await EncryptAsync(bob);

        await ann.SayAsync("the password is heliotrope");
        await bob.SeesAsync("the password is heliotrope");
        await Visitor.HasAsync(bob["message"], "data-encrypted", "true");
        await bob.SayAsync("heliotrope it is");
        await ann.SeesAsync("the password is heliotrope", "heliotrope it is");

        // Who has not turned encryption on sees what the server sees.
        await Visitor.IsThereAsync(eve["message"].Or(eve["refused-message"]), 2);
        Assert.DoesNotContain("heliotrope", await eve["message-list"].InnerTextAsync(), StringComparison.Ordinal);
        await eve.SayAsync("what is it?");
        await Visitor.HasAsync(ann["refused-message"], "data-refused", "not_encrypted");

        await bob.Page.ReloadAsync();
        await bob.SeesAsync("the password is heliotrope", "heliotrope it is");

        await server.TerminateAsync();
        Assert.All(Directory.GetFiles(server.DataFolder), file => Assert.False(
            File.ReadAllBytes(file).AsSpan().IndexOf("heliotrope"u8) >= 0, file));
    }

    [Fact]
    public async Task Direct_messages_are_encrypted_and_two_people_compare_their_fingerprints()
    {
        await using var ann = await browser.OpenAsync(browser.Server, "ann-e", "room=private&transport=signalr");
        await using var bob = await browser.OpenAsync(browser.Server, "bob-e", "room=private&transport=signalr");
        await ann.Member("bob-e").ClickAsync();
        await EncryptAsync(ann);
        await bob.Member("ann-e").ClickAsync();
        await EncryptAsync(bob);

        await ann["user-key"].WaitForAsync();
        Assert.Equal(await bob["own-key"].GetByTestId("fingerprint").InnerTextAsync(), await ann["user-key"].GetByTestId("fingerprint").InnerTextAsync());
        await ann["verify-button"].ClickAsync();
        await Visitor.HasAsync(ann["user-key"], "data-verified", "true");

        await ann.SayAsync("only for you");
        await bob.SeesDirectAsync("only for you");
        await Visitor.HasAsync(bob["direct-message"], "data-encrypted", "true");

        await bob["verified-switch"].ClickAsync(); // bob has not verified ann's key.
        await bob.IsAsync("connected");
        await ann.SayAsync("do you believe me?");
        await Visitor.HasAsync(bob["refused-message"].Last, "data-refused", "unverified_key");
    }

    static async Task EncryptAsync(Visitor visitor)
    {
        await visitor["security-button"].ClickAsync();
        await visitor["encrypt-switch"].ClickAsync();
        await visitor["own-key"].WaitForAsync();
    }
}
