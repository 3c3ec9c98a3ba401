using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.Auth;

namespace OrleansRealtime.Tests.Auth;

public sealed class DevTokenTests : IDisposable
{
    readonly string _folder = Path.Combine(Path.GetTempPath(), "realtime-auth-" + Guid.NewGuid().ToString("N"));

    string KeyFile => Path.Combine(_folder, "dev-signing.key");

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    Task<AuthHost> StartAsync(TimeProvider? time = null, params (string Key, string Value)[] settings) => AuthHost.StartAsync(
        "Development",
        new(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value)).Append(new("Realtime:Store:DataFolder", _folder))),
        time);

    static async Task<(string Token, string ExpiresAt)> TakeAsync(AuthHost host, string query)
    {
        Answer answer = await host.GetAsync("/dev/token?" + query);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
        using JsonDocument json = JsonDocument.Parse(answer.Body);
        return (json.RootElement.GetProperty("token").GetString()!, json.RootElement.GetProperty("expiresAt").GetString()!);
    }

    [Fact]
    public async Task A_development_token_opens_the_door_and_the_log_says_so_loudly()
    {
        HandClock clock = new(new(2026, 11, 24, 21, 0, 0, 500, TimeSpan.Zero));
        await using AuthHost host = await StartAsync(clock);
        (string token, string expiresAt) = await TakeAsync(host, "user=ann");
        Assert.Equal("2026-11-24T22:00:00Z", expiresAt);
        (await host.GetAsync("/api/me", token)).IsUser("ann");
        Assert.Equal(HttpStatusCode.Forbidden, (await host.GetAsync("/api/admin", token)).Status);
        Assert.Contains(host.Log.Lines, l => l.Level == LogLevel.Warning && l.Text.Contains("any user", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Roles_patterns_and_expiry_can_be_chosen()
    {
        HandClock clock = new(new(2026, 11, 24, 21, 0, 0, TimeSpan.Zero));
        await using AuthHost host = await StartAsync(clock, ("Realtime:Auth:Issuer", "me"), ("Realtime:Auth:Audience", "chat"));
        (string token, _) = await TakeAsync(host, "user=ann&role=writer&role=admin&join=my%20room&join=chat-*&publish=&jobs=deploy&expiresIn=10");
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/api/admin", token)).Status);
        (Permissions? permissions, _) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
        Assert.True(permissions!.MayJoin(PermissionsTests.Room("my room")));
        Assert.True(permissions.MayJoin(PermissionsTests.Room("chat-1")));
        Assert.False(permissions.MayJoin(PermissionsTests.Room("room")));
        Assert.False(permissions.MayPublish(PermissionsTests.Room("chat-1")));
        Assert.True(permissions.MayStartJob("deploy"));
        Assert.False(permissions.MayStartJob("delete"));

        clock.Now += TimeSpan.FromSeconds(16);
        (await host.GetAsync("/api/me", token)).IsUnauthenticated("expired");
    }

    [Theory]
    [InlineData("", "'user' must not be empty")]
    [InlineData("?user=", "'user' must not be empty")]
    [InlineData("?user=a%00b", "control characters")]
    [InlineData("?user=ann&role=", "'role' must not be empty")]
    [InlineData("?user=ann&expiresIn=0", "'expiresIn'")]
    [InlineData("?user=ann&expiresIn=soon", "'expiresIn'")]
    public async Task A_bad_request_is_told_what_is_wrong(string query, string words)
    {
        await using AuthHost host = await StartAsync();
        (await host.GetAsync("/dev/token" + query)).IsProblem(HttpStatusCode.BadRequest, "invalid_argument", words);
    }

    [Fact]
    public async Task A_token_survives_a_restart_with_the_same_folder_and_no_other()
    {
        string token;
        await using (AuthHost first = await StartAsync())
        {
            (token, _) = await TakeAsync(first, "user=ann");
        }

        string key = await File.ReadAllTextAsync(KeyFile, TestContext.Current.CancellationToken);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        }

        await using (AuthHost second = await StartAsync())
        {
            (await second.GetAsync("/api/me", token)).IsUser("ann");
            Assert.DoesNotContain(second.Log.Lines, l => l.Text.Contains(key.Trim(), StringComparison.Ordinal));
        }

        File.Delete(KeyFile);
        await using AuthHost third = await StartAsync();
        (await third.GetAsync("/api/me", token)).IsUnauthenticated("signature is invalid");
        Assert.Equal(["dev-signing.key"], Directory.GetFiles(_folder).Select(f => Path.GetFileName(f)));
    }

    [Fact]
    public async Task A_key_in_memory_lasts_as_long_as_the_process()
    {
        Dictionary<string, string?> memory = new() { ["Realtime:Store:DataFolder"] = ":memory:" };
        await using AuthHost first = await AuthHost.StartAsync("Development", memory);
        await using AuthHost second = await AuthHost.StartAsync("Development", memory);
        (string token, _) = await TakeAsync(first, "user=ann");
        (await first.GetAsync("/api/me", token)).IsUser("ann");
        (await second.GetAsync("/api/me", token)).IsUnauthenticated("signature is invalid");
        Assert.False(Path.Exists(":memory:"));
    }

    [Fact]
    public async Task A_key_file_that_holds_no_key_stops_the_start()
    {
        Directory.CreateDirectory(_folder);
        await File.WriteAllTextAsync(KeyFile, "base64:AAAA", TestContext.Current.CancellationToken);
        OptionsValidationException e = await Assert.ThrowsAsync<OptionsValidationException>(() => StartAsync());
        Assert.Contains("does not hold a key", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_stops_the_start_and_is_named()
    {
        Directory.CreateDirectory(_folder);
        string file = Path.Combine(_folder, "a-file");
        await File.WriteAllTextAsync(file, "", TestContext.Current.CancellationToken);
        OptionsValidationException e = await Assert.ThrowsAsync<OptionsValidationException>(
            () => AuthHost.StartAsync("Development", new() { ["Realtime:Store:DataFolder"] = file }));
        Assert.Contains("Realtime:Store:DataFolder", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Development", null, true)]
    [InlineData("Development", "false", false)]
    [InlineData("Production", null, false)]
    [InlineData("Production", "true", true)]
    public async Task The_route_is_there_only_where_it_is_allowed(string environment, string? setting, bool mapped)
    {
        await using AuthHost host = await AuthHost.StartAsync(environment, new()
        {
            ["Realtime:Auth:Key"] = Tokens.Key,
            ["Realtime:Auth:AllowDevTokens"] = setting,
        });
        Assert.Equal(mapped ? HttpStatusCode.OK : HttpStatusCode.NotFound, (await host.GetAsync("/dev/token?user=ann")).Status);
        Assert.Equal(mapped, host.Log.Lines.Any(l => l.Level == LogLevel.Warning && l.Text.Contains("/dev/token", StringComparison.Ordinal)));
    }
}
