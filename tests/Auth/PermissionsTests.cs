using System.Security.Claims;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.IdentityModel.JsonWebTokens;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Tests.Auth;

public sealed class PermissionsTests
{
    static readonly string[] Namespaces = ["/", "/a", "/b", "/a/b"];

    internal static RoomName Room(string name)
    {
        Assert.True(RoomName.TryParse(name, out RoomName room, out string? error), error);
        return room;
    }

    static Permissions Of(params Claim[] claims)
    {
        ClaimsIdentity identity = new([new("sub", "ann"), .. claims], "test");
        (Permissions? permissions, RealtimeException? error) = Permissions.Read(new(identity), new(), new());
        Assert.Null(error);
        return permissions!;
    }

    static Permissions Joining(params string[] patterns) =>
        Of(new Claim("join", System.Text.Json.JsonSerializer.Serialize(patterns), JsonClaimValueTypes.JsonArray), new Claim("role", "admin"));

    [Theory]
    [InlineData("general", "general", true)]
    [InlineData("general", "General", false)]
    [InlineData("general", "general2", false)]
    [InlineData("chat-*", "chat-", true)]
    [InlineData("chat-*", "chat-a-b", true)]
    [InlineData("chat-*", "chat", false)]
    [InlineData("chat-*", "/team:chat-a", false)]
    [InlineData("*-chat", "a-chat", true)]
    [InlineData("a*a", "a", false)]
    [InlineData("a*a", "aa", true)]
    [InlineData("a*b*c", "a-bb-c", true)]
    [InlineData("a*b*c", "ac", false)]
    [InlineData("/team:*", "/team:x", true)]
    [InlineData("/team:*", "/team2:x", false)]
    [InlineData("/*", "general", false)]
    [InlineData("/:*", "general", true)]
    [InlineData("/:*", "/team:x", false)]
    [InlineData("/:general", "general", true)]
    [InlineData("*", "general", true)]
    [InlineData("*", "/team:x", true)]
    [InlineData("/admin:*", "/admin:alerts", true)]
    [InlineData("a.c", "abc", false)]
    [InlineData("", "a", false)]
    public void A_pattern_matches_rooms_as_they_are_written(string pattern, string room, bool matches) =>
        Assert.Equal(matches, Joining(pattern).MayJoin(Room(room)));

    [Fact]
    public void Matching_agrees_with_a_regular_expression()
    {
        Gen<string> text = Gen.Char["ab*/:"].Array[0, 8].Select(c => new string(c));
        Gen<RoomName> room = Gen.Select(Gen.Int[0, Namespaces.Length - 1], Gen.Char["ab*:"].Array[1, 8])
            .Select(pair => Room($"{Namespaces[pair.Item1]}:{new string(pair.Item2)}"));
        Gen.Select(text.Array[0, 4], room).Sample((patterns, name) =>
        {
            bool expected = patterns.Any(p => Naive(p, p.StartsWith("/:", StringComparison.Ordinal) ? name.Qualified : name.ToString()));
            return new RoomPatterns(patterns).Matches(name) == expected;
        }, iter: 20_000);

        static bool Naive(string pattern, string written) =>
            Regex.IsMatch(written, $@"\A{Regex.Escape(pattern).Replace(@"\*", ".*", StringComparison.Ordinal)}\z", RegexOptions.Singleline);
    }

    [Fact]
    public void A_spiteful_pattern_costs_no_more_than_its_length()
    {
        RoomPatterns patterns = new([string.Concat(Enumerable.Repeat("*a", 2_000)) + "b", string.Concat(Enumerable.Repeat("a*", 60)) + "b"]);
        Assert.False(patterns.Matches(Room(new string('a', 128))));
    }

    [Fact]
    public void Checking_a_room_allocates_nothing()
    {
        Permissions permissions = Joining("x", "chat-*", "/team:*-a-*");
        RoomName[] rooms = [Room("chat-1"), Room("/team:b-a-c"), Room("x"), Room("none"), Room("/admin:none")];
        Check();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Check();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Check()
        {
            for (int i = 0; i < 100; i++)
            {
                foreach (RoomName room in rooms)
                {
                    permissions.MayJoin(room);
                    permissions.MayPublish(room);
                }
            }
        }
    }

    [Fact]
    public void Join_and_publish_are_apart_and_absent_means_all()
    {
        Permissions reader = Of(new Claim("publish", "own-* news"));
        Assert.True(reader.MayJoin(Room("anything")));
        Assert.True(reader.MayPublish(Room("own-1")));
        Assert.True(reader.MayPublish(Room("news")));
        Assert.False(reader.MayPublish(Room("anything")));
        Assert.Equal(DateTimeOffset.MaxValue, reader.ExpiresAt);
    }

    [Fact]
    public void Admin_namespaces_are_for_admins_whatever_the_patterns()
    {
        Permissions user = Of(new Claim("join", "*"), new Claim("publish", "/admin:*"));
        Assert.False(user.MayUseNamespace("/admin"));
        Assert.False(user.MayJoin(Room("/admin:alerts")));
        Assert.False(user.MayPublish(Room("/admin:alerts")));
        Assert.True(user.MayUseNamespace("/administration"));
        Assert.True(user.MayUseNamespace("/"));

        Permissions admin = Of(new Claim("roles", "admin"), new Claim("publish", "general"));
        Assert.True(admin.MayUseNamespace("/admin"));
        Assert.True(admin.MayJoin(Room("/admin:alerts")));
        Assert.False(admin.MayPublish(Room("/admin:alerts")));
    }

    [Fact]
    public void A_jobs_room_is_for_all_to_join_and_for_nobody_to_publish_to()
    {
        Permissions user = Of(new Claim("join", "general"), new Claim("roles", "admin"));
        Assert.True(user.MayJoin(Room("job:" + JobId.New())));
        Assert.False(user.MayPublish(Room("job:" + JobId.New())));
        Assert.False(user.MayJoin(Room("/admin:job:1")));
        Assert.True(user.MayPublish(Room("/admin:job:1")));
        Assert.False(user.MayJoin(Room("job")));
        Assert.True(user.MayPublish(Room("jobs")));
    }

    [Fact]
    public void A_jobs_claim_names_the_jobs_that_may_be_started_and_absent_means_all()
    {
        Assert.True(Of(new Claim("join", "none")).MayStartJob("deploy"));
        Permissions some = Of(new Claim("jobs", "deploy report-*"));
        Assert.True(some.MayStartJob("deploy"));
        Assert.True(some.MayStartJob("report-2026"));
        Assert.False(some.MayStartJob("delete"));
        Assert.False(Of(new Claim("jobs", "")).MayStartJob("deploy"));
    }

    [Theory]
    [InlineData("4102444800", "2100-01-01T00:00:00Z")]
    [InlineData("4102444800.5", "2100-01-01T00:00:00.5Z")]
    [InlineData("1e300", "9999-12-31T23:59:59.9999999Z")]
    [InlineData("-1", "1970-01-01T00:00:00Z")]
    [InlineData("soon", "1970-01-01T00:00:00Z")]
    public void An_expiry_beyond_the_calendar_is_its_end(string exp, string expected) =>
        Assert.Equal(DateTimeOffset.Parse(expected, System.Globalization.CultureInfo.InvariantCulture), Of(new Claim("exp", exp)).ExpiresAt);
}
