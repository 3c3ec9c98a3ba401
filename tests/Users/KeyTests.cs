using System.Buffers.Text;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using CsCheck;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Events;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;
using OrleansRealtime.Users;

namespace OrleansRealtime.Tests.Users;

/// <summary>The directory of public keys, by each transport.</summary>
public sealed class KeyTests(SocketIoHost host, NodeClients node) : IClassFixture<SocketIoHost>, IClassFixture<NodeClients>
{
    readonly string _user = "user-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_announced_by_one_transport_is_listed_by_all_the_newest_first()
    {
        await using var hub = await ConnectAsync(messagePack: false);
        await using var pack = await ConnectAsync(messagePack: true);
        await using var socket = await host.ConnectAsync(node, _user);
        await using var stranger = await host.ConnectAsync(node, "stranger");
        using var rest = await host.Host.RestAsync(_user);
        string[] keys = [NewKey(), NewKey(), NewKey()];
        var before = DateTimeOffset.UtcNow.AddSeconds(-1);
        Assert.Equal(keys[..1], KeysOf(await hub.InvokeAsync<object>("PutKey", keys[0], Token)));
        Assert.Equal([keys[1], keys[0]], KeysOf(await socket.IsOkAsync("key:put", keys[1])));
        using (var put = await rest.PutAsync(PathOf(keys[2]), null, Token))
        {
            Assert.Equal([keys[2], keys[1], keys[0]], KeysOf(await put.Content.ReadFromJsonAsync<JsonElement>(Token)));
        }

        // One that is announced again is the newest.
        Assert.Equal([keys[0], keys[2], keys[1]], KeysOf(await pack.InvokeAsync<object>("PutKey", keys[0], Token)));
        string[] expected = [keys[0], keys[2], keys[1]];
        Assert.Equal(expected, KeysOf(await hub.InvokeAsync<object>("Keys", _user, Token)));
        Assert.Equal(expected, KeysOf(await pack.InvokeAsync<object>("Keys", _user, Token)));
        Assert.Equal(expected, KeysOf(await rest.GetFromJsonAsync<JsonElement>(PathOf(), Token)));
        var listed = await stranger.IsOkAsync("keys", _user);
        Assert.Equal(expected, KeysOf(listed));
        Assert.Equal(_user, listed.GetProperty("user").GetString());
        Assert.All(listed.GetProperty("keys").EnumerateArray(), k => Assert.InRange(k.GetProperty("announcedAt").GetDateTimeOffset(), before, DateTimeOffset.UtcNow.AddSeconds(1)));

        Assert.Equal([keys[0], keys[1]], KeysOf(await hub.InvokeAsync<object>("RemoveKey", keys[2], Token)));
        Assert.Equal([keys[0], keys[1]], KeysOf(await socket.IsOkAsync("key:remove", keys[2])));
        Assert.Equal([keys[0]], KeysOf(await socket.IsOkAsync("key:remove", new { key = keys[1] })));
        using (var deleted = await rest.DeleteAsync(PathOf(keys[0]), Token))
        {
            Assert.Empty(KeysOf(await deleted.Content.ReadFromJsonAsync<JsonElement>(Token)));
        }

        Assert.Empty(KeysOf(await stranger.IsOkAsync("keys", new { userId = _user })));
    }

    [Fact]
    public async Task One_key_more_than_there_may_be_displaces_the_one_announced_longest_ago()
    {
        await using var hub = await ConnectAsync(messagePack: false);
        string[] keys = [.. Enumerable.Range(0, UserKey.MaxKeys).Select(_ => NewKey())];
        foreach (string key in keys)
        {
            await hub.InvokeAsync<object>("PutKey", key, Token);
        }

        await hub.InvokeAsync<object>("PutKey", keys[0], Token);
        string last = NewKey();
        string?[] listed = KeysOf(await hub.InvokeAsync<object>("PutKey", last, Token));
        Assert.Equal([last, keys[0], .. keys[2..].AsEnumerable().Reverse()], listed);
    }

    [Fact]
    public async Task Keys_that_are_announced_side_by_side_are_all_kept()
    {
        await using var hub = await ConnectAsync(messagePack: false);
        string[] keys = [.. Enumerable.Range(0, UserKey.MaxKeys).Select(_ => NewKey())];
        await Task.WhenAll(keys.Select(k => hub.InvokeAsync<object>("PutKey", k, Token)));
        Assert.Equal(keys.Order(), KeysOf(await hub.InvokeAsync<object>("Keys", _user, Token)).Order());
    }

    [Fact]
    public async Task Only_the_user_announces_a_key_and_an_administrator_may_remove_one()
    {
        await using var hub = await ConnectAsync(messagePack: false);
        string key = NewKey();
        await hub.InvokeAsync<object>("PutKey", key, Token);
        using var other = await host.Host.RestAsync("other");
        using var admin = await host.Host.RestAsync("root", "&role=admin");
        foreach (var call in new[] { other.PutAsync(PathOf(NewKey()), null, Token), other.DeleteAsync(PathOf(key), Token), admin.PutAsync(PathOf(NewKey()), null, Token) })
        {
            using var refused = await call;
            Assert.Equal("not_allowed", (await Caller.ReadAsync(refused)).Code);
        }

        Assert.Equal([key], KeysOf(await hub.InvokeAsync<object>("Keys", _user, Token)));
        using var removed = await admin.DeleteAsync(PathOf(key), Token);
        Assert.Empty(KeysOf(await removed.Content.ReadFromJsonAsync<JsonElement>(Token)));
    }

    [Theory]
    [InlineData("short")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A")]
    public async Task What_is_no_key_is_refused_with_what_a_key_is(string key)
    {
        const string expected = "A key is 32 bytes as base64url without padding: 43 letters, digits, '-' and '_'.";
        await using var hub = await ConnectAsync(messagePack: false);
        await using var socket = await host.ConnectAsync(node, _user);
        using var rest = await host.Host.RestAsync(_user);
        foreach (string method in new[] { "PutKey", "RemoveKey" })
        {
            var refused = await Assert.ThrowsAsync<HubException>(() => hub.InvokeAsync<object>(method, key, Token));
            Assert.EndsWith("invalid_argument: " + expected, refused.Message, StringComparison.Ordinal);
        }

        var error = (await socket.EmitAsync("key:put", key)).GetProperty("error");
        Assert.Equal(("invalid_argument", expected), (error.GetProperty("code").GetString(), error.GetProperty("message").GetString()));
        Assert.Equal("invalid_argument", (await socket.EmitAsync("key:put")).ErrorCode());
        using var put = await rest.PutAsync(PathOf(key), null, Token);
        var outcome = await Caller.ReadAsync(put);
        Assert.Equal(("invalid_argument", expected), (outcome.Code, outcome.Text));
    }

    [Fact]
    public void Every_32_bytes_are_a_key_and_nothing_else_is()
    {
        Gen.Byte.Array[32].Sample(bytes => UserKey.TryCheck(Base64Url.EncodeToString(bytes), out _));
        Gen.Byte.Array[0, 40].Where(b => b.Length != 32).Sample(bytes => !UserKey.TryCheck(Base64Url.EncodeToString(bytes), out _));
        Gen.String.Sample(text => !UserKey.TryCheck(text, out _));
        Assert.False(UserKey.TryCheck(null, out _));
    }

    [Fact]
    public async Task Keys_outlive_the_server()
    {
        await using var server = await ServerProcess.StartAsync();
        string[] keys = [NewKey(), NewKey()];
        using (var rest = await server.RestAsync(_user))
        {
            foreach (string key in keys)
            {
                using var put = await rest.PutAsync(PathOf(key), null, Token);
                put.EnsureSuccessStatusCode();
            }
        }

        await server.KillAsync();
        await server.RestartAsync();
        using var after = await server.RestAsync("anybody");
        Assert.Equal([keys[1], keys[0]], KeysOf(await after.GetFromJsonAsync<JsonElement>(PathOf(), Token)));
    }

    static string NewKey() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    static string?[] KeysOf(object? result) =>
        [.. SignalRTransport.ToJson(result).GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("key").GetString())];

    Uri PathOf(string? key = null) => new($"/api/users/{_user}/keys{(key is null ? "" : "/" + Uri.EscapeDataString(key))}", UriKind.Relative);

    async Task<HubConnection> ConnectAsync(bool messagePack)
    {
        var hub = new SignalRTransport(messagePack).Build(host.Address, await host.Host.TokenAsync(_user));
        await hub.StartAsync(Token);
        return hub;
    }
}
