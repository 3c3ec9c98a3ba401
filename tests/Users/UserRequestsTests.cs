using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;
using OrleansRealtime.Users;

namespace OrleansRealtime.Tests.Users;

/// <summary>What a user's grain does with a request, seen from the gateways that it posts to.</summary>
public sealed class UserRequestsTests
{
    static readonly UserAnswer s_offline = new(UserAnswerStatus.Offline);

    readonly List<(string Gateway, MailboxEvent Event)> _posted = [];
    readonly UserRequests _requests;

    public UserRequestsTests() => _requests = new(ChannelId.User("bob"), (gateway, mailboxEvent) => _posted.Add((gateway, mailboxEvent)), TimeProvider.System);

    [Fact]
    public async Task Nobody_interested_is_offline_at_once()
    {
        Assert.Equal(s_offline, await _requests.AskAsync(Request("r"), []));
        Assert.Empty(_posted);
    }

    [Fact]
    public async Task The_first_answer_is_the_outcome_and_who_still_asks_is_told()
    {
        var asking = _requests.AskAsync(Request("r"), ["g1", "g2", "g3"]);
        Assert.Equal(["g1", "g2", "g3"], _posted.Select(p => p.Gateway));
        Assert.All(_posted, p => Assert.Equal(("r", "call", "ann"), p.Event is UserRequested r ? (r.RequestId, r.Event, r.From) : default));
        _posted.Clear();
        _requests.Reported("r", "g1", s_offline);
        _requests.Reported("r", "g2", new(UserAnswerStatus.Answered, Payload.Null));
        _requests.Reported("r", "g3", new(UserAnswerStatus.Answered));
        Assert.Equal(new(UserAnswerStatus.Answered, Payload.Null), await asking);
        Assert.Equal(("g3", new UserRequestEnded(ChannelId.User("bob"), "r")), Assert.Single(_posted));
        Assert.Equal(UserAnswerStatus.Unknown, (await _requests.WaitAsync("r")).Status);
    }

    [Fact]
    public async Task A_refusal_counts_where_nobody_answers_and_a_gateway_that_is_gone_is_nobody()
    {
        var asking = _requests.AskAsync(Request("r"), ["g1", "g2", "g3"]);
        _requests.Reported("r", "g1", new(UserAnswerStatus.Refused, Message: "no"));
        _requests.Reported("r", "g1", s_offline);
        _requests.Reported("r", "stranger", s_offline);
        _requests.Forget("g2");
        Assert.False(asking.IsCompleted);
        _requests.Reported("r", "g3", s_offline);
        Assert.Equal(new(UserAnswerStatus.Refused, Message: "no"), await asking);

        asking = _requests.AskAsync(Request("s"), ["g1", "g2"]);
        _requests.Forget("g1");
        _requests.Forget("g2");
        Assert.Equal(s_offline, await asking);
    }

    [Fact]
    public async Task Who_is_cancelled_is_forgotten_and_the_gateways_are_told()
    {
        var asking = _requests.AskAsync(Request("r"), ["g1"]);
        _posted.Clear();
        _requests.Cancel("r");
        _requests.Cancel("r");
        Assert.IsType<UserRequestEnded>(Assert.Single(_posted).Event);
        Assert.Equal(UserAnswerStatus.TimedOut, (await asking).Status);
        Assert.Equal(UserAnswerStatus.Unknown, (await _requests.WaitAsync("r")).Status);
    }

    [Fact]
    public async Task A_call_waits_for_3_seconds_and_the_next_one_posts_again_with_the_time_that_is_left()
    {
        Assert.Equal(UserAnswerStatus.Waiting, (await _requests.AskAsync(Request("r"), ["g1", "g2"])).Status);
        _requests.Reported("r", "g1", s_offline);
        _posted.Clear();
        var again = _requests.WaitAsync("r");
        var (gateway, posted) = Assert.Single(_posted);
        Assert.Equal("g2", gateway);
        Assert.InRange(Assert.IsType<UserRequested>(posted).Timeout, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(59));
        _requests.Reported("r", "g2", new(UserAnswerStatus.Answered));
        Assert.Equal(UserAnswerStatus.Answered, (await again).Status);
    }

    [Fact]
    public async Task The_time_of_a_request_is_over_when_it_is()
    {
        var asking = _requests.AskAsync(Request("r") with { Timeout = TimeSpan.FromSeconds(0.1) }, ["g1"]);
        Assert.Equal(UserAnswerStatus.TimedOut, (await asking).Status);
        _requests.Reported("r", "g1", new(UserAnswerStatus.Answered));
    }

    [Fact]
    public async Task So_many_may_be_unanswered_and_no_more()
    {
        var asking = Enumerable.Range(0, UserRequests.MaxPending).Select(i => _requests.AskAsync(Request($"{i}"), ["g1"])).ToList();
        Assert.Equal(UserAnswerStatus.Overloaded, (await _requests.AskAsync(Request("more"), ["g1"])).Status);
        _requests.Reported("7", "g1", new(UserAnswerStatus.Answered));
        Assert.Equal(UserAnswerStatus.Answered, (await asking[7]).Status);
        var more = _requests.AskAsync(Request("more"), ["g1"]);
        _requests.Forget("g1");
        Assert.Equal(s_offline, await more);
        Assert.Equal(999, (await Task.WhenAll(asking)).Count(a => a == s_offline));
    }

    static UserRequest Request(string id) => new(id, "call", null, "ann", TimeSpan.FromSeconds(60));
}
