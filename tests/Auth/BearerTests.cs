using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Tests.Auth;

public sealed class BearerTests
{
    static readonly Dictionary<string, string?> WithKey = new()
    {
        ["Realtime:Auth:Key"] = Tokens.Key,
        ["Realtime:Auth:Issuer"] = "",
    };

    static readonly string[] RoomsOfInterest = ["a b", "c", "a"];

    static Task<AuthHost> StartAsync() => AuthHost.StartAsync("Production", WithKey);

    [Fact]
    public async Task A_request_without_a_token_is_told_so()
    {
        await using AuthHost host = await StartAsync();
        Answer answer = await host.GetAsync("/api/me");
        answer.IsProblem(HttpStatusCode.Unauthorized, "unauthenticated", "No token");
        Assert.Equal("Bearer", answer.Challenge);

        using HttpRequestMessage basic = new(HttpMethod.Get, "/api/me");
        basic.Headers.Authorization = new("Basic", "YW5uOmFubg==");
        using HttpResponseMessage response = await host.Client.SendAsync(basic, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
    }

    [Fact]
    public async Task A_good_token_names_the_user_and_its_expiry()
    {
        await using AuthHost host = await StartAsync();
        Answer answer = await host.GetAsync("/api/me", Tokens.Sign("""{"sub":"ann","exp":4102444800}"""));
        answer.IsUser("ann");
        Assert.Equal("ann|False|4102444800|", answer.Body);
    }

    [Theory]
    [InlineData(SecurityAlgorithms.HmacSha256)]
    [InlineData(SecurityAlgorithms.HmacSha384)]
    [InlineData(SecurityAlgorithms.HmacSha512)]
    public async Task Every_hmac_of_sha_2_is_accepted_with_a_symmetric_key(string algorithm)
    {
        await using AuthHost host = await StartAsync();
        (await host.GetAsync("/api/me", Tokens.Sign("""{"sub":"ann","exp":EXP}""", algorithm: algorithm))).IsUser("ann");
    }

    [Fact]
    public async Task A_key_may_be_written_in_base64()
    {
        byte[] key = [.. Enumerable.Range(0, 64).Select(i => (byte)(i * 7))];
        await using AuthHost host = await AuthHost.StartAsync(
            "Production", new() { ["Realtime:Auth:Key"] = "base64:" + Convert.ToBase64String(key) });
        (await host.GetAsync("/api/me", Tokens.Sign("""{"sub":"ann","exp":EXP}""", new SymmetricSecurityKey(key)))).IsUser("ann");
    }

    [Fact]
    public async Task Times_are_checked_with_five_seconds_of_grace()
    {
        HandClock clock = new(DateTimeOffset.FromUnixTimeSeconds(2_000_000_000));
        await using AuthHost host = await AuthHost.StartAsync("Production", WithKey, clock);
        string token = Tokens.Sign("""{"sub":"ann","nbf":2000000000,"exp":2000000100}""");
        await ExpectAsync(2_000_000_000 - 6, "not valid yet");
        await ExpectAsync(2_000_000_000 - 5, null);
        await ExpectAsync(2_000_000_105, null);
        await ExpectAsync(2_000_000_106, "expired");

        async Task ExpectAsync(long now, string? refusal)
        {
            clock.Now = DateTimeOffset.FromUnixTimeSeconds(now);
            Answer answer = await host.GetAsync("/api/me", token);
            (Permissions? permissions, RealtimeException? error) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
            if (refusal is null)
            {
                answer.IsUser("ann");
                Assert.Equal(2_000_000_100, permissions!.ExpiresAt.ToUnixTimeSeconds());
            }
            else
            {
                answer.IsUnauthenticated(refusal);
                Assert.Null(permissions);
                Assert.Contains(refusal, error!.Message, StringComparison.Ordinal);
            }
        }
    }

    public static TheoryData<string, string> BadTokens()
    {
        TheoryData<string, string> bad = new()
        {
            { "rubbish", "malformed" },
            { "a.b.c", "malformed" },
            { Tokens.Forge("{}", "{}", "") + ".x.y", "malformed" },
            { Tokens.Forge("""{"alg":"HS256"}""", "[1]", "AAAA"), "malformed" },
            { new string('a', 40_000).Insert(9, ".").Insert(30_000, "."), "malformed" },
            { Tokens.Sign("""{"sub":"ann","exp":EXP}""", Tokens.Secret("another key that is also quite long enough")), "signature is invalid" },
            { Tokens.Of("ann")[..^4] + "AAAA", "signature is invalid" },
            { Tokens.Forge("""{"alg":"none"}""", """{"sub":"ann","exp":EXP}""", ""), "not signed" },
            { Tokens.Forge("""{"alg":"nOnE"}""", """{"sub":"ann","exp":EXP}""", "AAAA"), "not signed" },
            { Tokens.Forge("""{"typ":"JWT"}""", """{"sub":"ann","exp":EXP}""", "AAAA"), "algorithm" },
            { Tokens.Forge("""{"alg":"HS256"}""", """{"sub":"ann","exp":EXP}""", ""), "not signed" },
            { Tokens.Forge("""{"alg":"RS256"}""", """{"sub":"ann","exp":EXP}""", "AAAA"), "algorithm" },
            { Tokens.Sign("""{"sub":"ann"}"""), "no 'exp'" },
            { Tokens.Sign("""{"sub":"ann","exp":1000000000}"""), "expired" },
            { Tokens.Sign("""{"sub":"ann","exp":-5}"""), "expired" },
            { Tokens.Sign("""{"exp":EXP}"""), "no 'sub'" },
            { Tokens.Sign("""{"sub":"","exp":EXP}"""), "'sub' must not be empty" },
            { Tokens.Sign("""{"sub":"an\u0000n","exp":EXP}"""), "control characters" },
            { Tokens.Sign("""{"sub":"an\nn","exp":EXP}"""), "control characters" },
            { Tokens.Of(new string('a', 129)), "at most 128 bytes" },
            { Tokens.Sign("""{"sub":"ann","exp":EXP,"join":5}"""), "'join'" },
            { Tokens.Sign("""{"sub":"ann","exp":EXP,"join":null}"""), "'join'" },
            { Tokens.Sign("""{"sub":"ann","exp":EXP,"publish":{"a":"b"}}"""), "'publish'" },
            { Tokens.Sign("""{"sub":"ann","exp":EXP,"publish":["a",1]}"""), "'publish'" },
        };
        return bad;
    }

    [Fact]
    public async Task Every_bad_token_is_refused_with_its_reason_by_request_and_by_validation()
    {
        await using AuthHost host = await StartAsync();
        foreach (TheoryDataRow<string, string> row in BadTokens())
        {
            (string token, string words) = row.Data;
            (Permissions? permissions, RealtimeException? error) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
            Assert.True(permissions is null, token);
            Assert.Equal(RealtimeErrorCode.Unauthenticated, error!.Code);
            Assert.True(error.Message.Contains(words, StringComparison.Ordinal), $"{token}: '{error.Message}', not '{words}'");
            Assert.StartsWith("unauthenticated: ", error.Text, StringComparison.Ordinal);
            if (token.Length < 30_000)
            {
                (await host.GetAsync("/api/me", token)).IsUnauthenticated(words);
            }
        }
    }

    [Fact]
    public async Task Audience_and_issuer_must_be_the_configured_ones()
    {
        await using AuthHost host = await AuthHost.StartAsync("Production", new(WithKey)
        {
            ["Realtime:Auth:Audience"] = "chat",
            ["Realtime:Auth:Issuer"] = "https://shop.example",
        });
        (await TryAsync("""{"sub":"ann","exp":EXP,"aud":["other","chat"],"iss":"https://shop.example"}""")).IsUser("ann");
        (await TryAsync("""{"sub":"ann","exp":EXP,"aud":"mail","iss":"https://shop.example"}""")).IsUnauthenticated("another audience");
        (await TryAsync("""{"sub":"ann","exp":EXP,"iss":"https://shop.example"}""")).IsUnauthenticated("another audience");
        (await TryAsync("""{"sub":"ann","exp":EXP,"aud":"chat","iss":"https://evil.example"}""")).IsUnauthenticated("another issuer");
        (await TryAsync("""{"sub":"ann","exp":EXP,"aud":"chat"}""")).IsUnauthenticated("another issuer");

        Task<Answer> TryAsync(string payload) => host.GetAsync("/api/me", Tokens.Sign(payload));
    }

    [Theory]
    [InlineData("\"role\":\"admin\"", true)]
    [InlineData("\"role\":[\"writer\",\"admin\"]", true)]
    [InlineData("\"roles\":\"admin\"", true)]
    [InlineData("\"roles\":[\"admin\"]", true)]
    [InlineData("\"role\":\"writer\",\"roles\":[\"admin\"]", true)]
    [InlineData("\"role\":\"Admin\"", false)]
    [InlineData("\"role\":\"admin writer\"", false)]
    [InlineData("\"role\":[]", false)]
    [InlineData("\"role\":{\"admin\":true}", false)]
    [InlineData("\"groups\":\"admin\"", false)]
    public async Task Roles_come_from_both_claims_as_text_or_array(string claim, bool admin)
    {
        await using AuthHost host = await StartAsync();
        string token = Tokens.Sign($$"""{"sub":"ann","exp":EXP,{{claim}}}""");
        Assert.StartsWith($"ann|{admin}|", (await host.GetAsync("/api/me", token)).Body, StringComparison.Ordinal);
        (Permissions? permissions, _) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
        Assert.Equal(admin, permissions!.IsAdmin);
        Answer answer = await host.GetAsync("/api/admin", token);
        if (admin)
        {
            Assert.Equal(HttpStatusCode.OK, answer.Status);
        }
        else
        {
            answer.IsProblem(HttpStatusCode.Forbidden, "not_allowed", "does not allow");
        }
    }

    [Fact]
    public async Task Other_role_claims_can_be_configured()
    {
        await using AuthHost host = await AuthHost.StartAsync("Production", new(WithKey) { ["Realtime:Auth:RoleClaims:0"] = "groups" });
        string token = Tokens.Sign("""{"sub":"ann","exp":EXP,"groups":["admin"]}""");
        Assert.Equal(HttpStatusCode.OK, (await host.GetAsync("/api/admin", token)).Status);
        Assert.StartsWith("bob|False|", (await host.GetAsync("/api/me", Tokens.Sign("""{"sub":"bob","exp":EXP,"role":"admin"}"""))).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_in_the_query_is_accepted_where_browsers_need_it_and_then_hidden()
    {
        await using AuthHost host = await StartAsync();
        string token = Tokens.Of("ann");
        Answer events = await host.GetAsync($"/events?room=a%20b&access_token={token}&room=c&x");
        events.IsUser("ann");
        Assert.EndsWith("|?room=a%20b&room=c&x=", events.Body, StringComparison.Ordinal);
        Assert.EndsWith("|", (await host.GetAsync($"/HUB?access_token={token}")).Body, StringComparison.Ordinal);
        (await host.GetAsync($"/events?access_token={token}", Tokens.Of("bob"))).IsUser("bob");
        (await host.GetAsync($"/events?access%5Ftoken={token}")).IsUser("ann");

        (await host.GetAsync($"/api/me?access_token={token}")).IsProblem(HttpStatusCode.Unauthorized, "unauthenticated", "No token");
        (await host.GetAsync("/events?access_token=rubbish")).IsUnauthenticated("malformed");
        (await host.GetAsync("/events?access_token=")).IsProblem(HttpStatusCode.Unauthorized, "unauthenticated", "No token");
    }

    [Fact]
    public async Task A_transport_adds_its_path_for_tokens_in_the_query()
    {
        await using AuthHost host = await AuthHost.StartAsync("Production", new(WithKey) { ["Realtime:Auth:QueryTokenPaths:0"] = "/api" });
        (await host.GetAsync($"/api/me?access_token={Tokens.Of("ann")}")).IsUser("ann");
        (await host.GetAsync($"/events?access_token={Tokens.Of("ann")}")).IsUser("ann");
    }

    [Fact]
    public async Task A_token_in_the_query_is_logged_nowhere_whatever_the_log_levels()
    {
        await using AuthHost host = await AuthHost.StartAsync("Production", new(WithKey)
        {
            ["Logging:LogLevel:Default"] = "Trace",
            ["Logging:LogLevel:Microsoft.AspNetCore.Hosting.Diagnostics"] = "Trace",
            [$"Logging:{typeof(LogRecord).FullName}:LogLevel:Default"] = "Trace",
            [$"Logging:{typeof(LogRecord).FullName}:LogLevel:Microsoft.AspNetCore.Hosting"] = "Trace",
        });
        string good = Tokens.Of("ann");
        string expired = Tokens.Sign("""{"sub":"ann","exp":1000000000}""");
        (await host.GetAsync($"/events?access_token={good}")).IsUser("ann");
        (await host.GetAsync($"/hub?access_token={expired}")).IsUnauthenticated("expired");
        Assert.Equal(HttpStatusCode.NotFound, (await host.GetAsync($"/hub/nowhere?access_token={good}")).Status);

        Assert.Contains(host.Log.Lines, line => line.Level == LogLevel.Trace || line.Level == LogLevel.Debug);
        foreach (string token in new[] { good, expired })
        {
            Assert.DoesNotContain(host.Log.Lines, line => line.Text.Contains(token.Split('.')[2], StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_join_claim_keeps_the_difference_between_none_text_and_array()
    {
        await using AuthHost host = await StartAsync();
        Assert.Equal("a b|c|a", await MayJoinAsync(""));
        Assert.Equal("", await MayJoinAsync(",\"join\":[]"));
        Assert.Equal("", await MayJoinAsync(",\"join\":\"\""));
        Assert.Equal("a b", await MayJoinAsync(",\"join\":[\"a b\"]"));
        Assert.Equal("c|a", await MayJoinAsync(",\"join\":\"a b c\""));
        Assert.Equal("c", await MayJoinAsync(",\"join\":[\"c\"],\"publish\":[\"a\"]"));

        async Task<string> MayJoinAsync(string claim)
        {
            string token = Tokens.Sign($$"""{"sub":"ann","exp":EXP{{claim}}}""");
            (Permissions? permissions, _) = await host.Validation.ValidateAsync(token, TestContext.Current.CancellationToken);
            return string.Join('|', RoomsOfInterest.Where(name => permissions!.MayJoin(PermissionsTests.Room(name))));
        }
    }

    [Fact]
    public void Every_code_has_the_text_and_the_status_of_the_reference()
    {
        Assert.Equal(
            [
                "invalid_argument 400", "invalid_cursor 400", "unauthenticated 401", "rejected 403", "not_allowed 403", "not_a_member 403",
                "unknown_event 404", "unknown_job 404", "payload_too_large 413", "too_many_rooms 429", "overloaded 429", "unavailable 503", "timeout 504",
                "offline 409", "refused 409", "internal 500",
            ],
            Enum.GetValues<RealtimeErrorCode>().Select(code => $"{code.Text()} {code.HttpStatus()}"));
        using JsonDocument problem = JsonDocument.Parse(JsonSerializer.Serialize(new RealtimeException(RealtimeErrorCode.NotAMember, "Join first.").ToProblem()));
        Assert.Equal("not_a_member", problem.RootElement.GetProperty("code").GetString());
        Assert.Equal("Join first.", problem.RootElement.GetProperty("detail").GetString());
    }
}
