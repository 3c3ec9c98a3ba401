using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Tests.Fanout;

/// <summary>What waits for a channel's grain, seen from a grain that answers when it is told to.</summary>
public sealed class UplinkTests
{
    static readonly Payload s_data = new(PayloadKind.Binary, new byte[1000]);

    readonly HeldGrain _grain = new();
    readonly List<ChannelMessages> _passedOn = [];
    Task _passingOn = Task.CompletedTask;

    readonly ObservedTime _time = new();
    readonly UplinkCalls _calls;

    public UplinkTests() => _calls = new(_time);

    Task PassOn(ChannelMessages messages)
    {
        _passedOn.Add(messages);
        return _passingOn;
    }

    Uplink NewUplink(string user = "ann", GatewayIdentity? gateway = null) =>
        new(ChannelId.User(user), gateway ?? new(), _calls, () => _grain, PassOn, _time, NullLogger.Instance);

    [Fact]
    public async Task More_than_may_wait_is_refused_as_overloaded_and_the_rest_is_published_in_order()
    {
        var uplink = NewUplink();
        var publishing = new List<Task<PublishResult>>();
        do
        {
            publishing.Add(uplink.Publish(new($"{publishing.Count}", s_data))!);
        }
        while (!publishing[^1].IsCompleted && publishing.Count < 100_000);

        Assert.Equal(PublishStatus.Overloaded, (await publishing[^1]).Status);
        publishing.RemoveAt(publishing.Count - 1);
        _grain.Release();
        Assert.All(await Task.WhenAll(publishing), r => Assert.Equal(PublishStatus.Accepted, r.Status));
        Assert.Equal(Enumerable.Range(0, publishing.Count).Select(i => $"{i}"), _grain.Published);
        Assert.Equal(PublishStatus.Accepted, (await uplink.Publish(new("again", s_data))!).Status);
    }

    [Fact]
    public async Task What_an_owner_that_is_overtaken_has_not_kept_goes_to_the_next_before_all_that_has_come_since()
    {
        var uplink = NewUplink();
        _grain.Overtaken = 2;
        var first = uplink.Publish(new("first", s_data))!;
        await _grain.Called;
        var transient = uplink.Publish(new("transient", s_data, Delivery: Delivery.Transient))!;
        var second = uplink.Publish(new("second", s_data))!;
        _grain.Release();
        var results = await Task.WhenAll(first, transient, second);
        Assert.Equal(["first", "first", "transient", "second", "first", "second"], _grain.Published);
        Assert.Equal(["transient", "first", "second"], _grain.Kept);
        Assert.Equal([1, 0, 2], results.Select(r => r.Offset));
    }

    [Fact]
    public async Task Where_no_owner_keeps_it_who_publishes_is_told()
    {
        _grain.Overtaken = 3;
        _grain.Release();
        Assert.Equal(PublishStatus.NotKept, (await NewUplink().Publish(new("first", s_data))!).Status);
        Assert.Equal(3, _grain.Batches.Count);
    }

    [Fact]
    public async Task A_declaration_says_how_far_the_log_was_passed_on_and_completes_with_its_head()
    {
        _grain.Release();
        var position = new Cursor(Epoch.New(ChannelId.User("ann")), 7);

        var head = await NewUplink().Declare(interested: true, [new("bob", 1)], position)!;

        Assert.Equal(_grain.Head, head);
        var batch = Assert.Single(_grain.Batches);
        Assert.Equal((true, position, true), (batch.Interested, batch.Position, batch.PresenceIsComplete));
    }

    [Fact]
    public async Task It_is_closed_once_nothing_has_been_under_way_for_a_while()
    {
        _grain.Release();
        var uplink = NewUplink();
        await uplink.Publish(new("message", s_data))!;

        Assert.False(uplink.TryClose());
        await Eventually.True("it can be closed", uplink.TryClose);
        Assert.Null(uplink.Publish(new("message", s_data)));
    }

    [Fact]
    public async Task Calls_are_numbered_by_the_gateway()
    {
        _grain.Release();
        var gateway = new GatewayIdentity();
        foreach (string user in (string[])["ann", "bob", "ann"])
        {
            await NewUplink(user, gateway).Declare(interested: true)!;
        }

        Assert.Equal([1, 2, 3], _grain.Batches.Select(b => b.Number));
    }

    [Fact]
    public async Task While_many_calls_are_under_way_what_a_busy_channel_is_given_gathers_for_a_while()
    {
        var uplink = NewUplink();
        var published = await PublishAsync(uplink, UplinkCalls.Many, "first", "second");

        await Task.WhenAny(_time.Pause, published[1]);
        Assert.False(published[1].IsCompleted);
        var third = uplink.Publish(new("third", s_data))!;
        Assert.Equal(TimeSpan.FromMilliseconds(10), await _time.Pause);
        _time.Advance(TimeSpan.FromMilliseconds(10));
        await Task.WhenAll([.. published, third]);
        Assert.Equal(["second", "third"], _grain.Batches[1].Publications.Select(p => p.Event));
    }

    [Fact]
    public async Task While_few_calls_are_under_way_a_busy_channel_does_not_wait() =>
        await Task.WhenAll(await PublishAsync(NewUplink(), UplinkCalls.Many - 1, "first", "second"));

    [Fact]
    public async Task Publications_that_each_wait_for_the_one_before_do_not_wait_for_others()
    {
        var uplink = NewUplink();
        await Task.WhenAll(await PublishAsync(uplink, UplinkCalls.Many, "first"));

        await Eventually.True("nothing is under way", uplink.TryClose);
    }

    [Fact]
    public async Task What_the_answer_brings_is_passed_on_before_the_next_call()
    {
        var passingOn = new TaskCompletionSource();
        _passingOn = passingOn.Task;
        var uplink = NewUplink();
        var first = uplink.Publish(new("first", s_data, "bob", "id"))!;
        await _grain.Called;
        var second = uplink.Publish(new("second", s_data))!;
        _grain.Release();
        await Eventually.True("it is passed on", () => _passedOn.Count == 1);

        // Meanwhile another channel's whole way can be gone.
        _passingOn = Task.CompletedTask;
        await NewUplink("bob").Publish(new("other", s_data))!;
        Assert.Equal(["first", "other"], _grain.Published);
        passingOn.SetResult();
        await Task.WhenAll(first, second);
        Assert.Equal((ChannelId.User("ann"), "epoch"), (_passedOn[0].Channel, _passedOn[0].Epoch));
        Assert.Equal([new Message(1, 5, "first", s_data, "bob", "id", Delivery.Durable, null)], _passedOn[0].Messages);
        Assert.Equal([1, 2, 3], _passedOn.Select(m => Assert.Single(m.Messages).Offset));
    }

    [Fact]
    public async Task What_had_been_published_before_is_not_passed_on_again()
    {
        _grain.Release();
        Assert.True((await NewUplink().Publish(new("event", s_data, "bob", "again"))!).Duplicate);
        Assert.Empty(_passedOn.SelectMany(m => m.Messages));
    }

    [Fact]
    public async Task What_comes_together_or_while_much_is_under_way_or_has_no_place_in_the_log_comes_through_the_mailbox()
    {
        await Task.WhenAll(await PublishAsync(NewUplink(), 0, "alone", "two", "together"));
        await NewUplink().Publish(new("transient", s_data, Delivery: Delivery.Transient))!;
        await NewUplink().Publish(new("latest", s_data, Delivery: Delivery.Latest, Key: "key"))!;
        await Task.WhenAll(await PublishAsync(NewUplink(), UplinkCalls.Many, "busy"));
        Assert.Equal([true, false, false, false, false], _grain.Batches.Select(b => b.ByAnswer));
    }

    /// <summary>The first is sent in a call that takes 5 ms, beside others; the rest comes meanwhile.</summary>
    async Task<List<Task<PublishResult>>> PublishAsync(Uplink uplink, int otherCalls, string first, params string[] rest)
    {
        for (int i = 0; i < otherCalls; i++)
        {
            _calls.Begin();
        }

        var published = new List<Task<PublishResult>> { uplink.Publish(new(first, s_data))! };
        await _grain.Called;
        published.AddRange(rest.Select(name => uplink.Publish(new(name, s_data))!));
        _time.Advance(TimeSpan.FromMilliseconds(5));
        _grain.Release();
        return published;
    }

    /// <summary>Time that stands still, and tells of the first that waits for it.</summary>
    sealed class ObservedTime : FakeTimeProvider
    {
        readonly TaskCompletionSource<TimeSpan> _pause = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<TimeSpan> Pause => _pause.Task;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _pause.TrySetResult(dueTime);
            return timer;
        }
    }

    sealed class HeldGrain : IChannelGrain
    {
        readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly TaskCompletionSource _called = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long _offset;

        public List<GatewayBatch> Batches { get; } = [];

        public ChannelHead Head { get; } = new("epoch", 9, 0);

        public IEnumerable<string> Published => Batches.SelectMany(b => b.Publications).Select(p => p.Event);

        /// <summary>How many calls from now on find that another owner has written to the log.</summary>
        public int Overtaken { get; set; }

        public List<string> Kept { get; } = [];

        public Task Called => _called.Task;

        public void Release() => _released.TrySetResult();

        public async Task<GatewayBatchResult> Submit(GatewayBatch batch)
        {
            Batches.Add(batch);
            _called.TrySetResult();
            await _released.Task;
            bool overtaken = Overtaken > 0;
            Overtaken--;
            return new(Head, [.. batch.Publications.Select(p => Keep(p, overtaken))], batch.ByAnswer);
        }

        PublishResult Keep(Publication publication, bool overtaken)
        {
            bool transient = publication.Delivery == Delivery.Transient;
            if (overtaken && !transient)
            {
                return new(PublishStatus.NotKept, "", 0, 0, false);
            }

            Kept.Add(publication.Event);
            return new(PublishStatus.Accepted, "epoch", transient ? 0 : ++_offset, 5, publication.MessageId == "again");
        }

        public Task<PublishResult> Publish(Publication publication) => throw new NotSupportedException();

        public Task<HistoryPage> Read(HistoryQuery query) => throw new NotSupportedException();

        public Task<IReadOnlyList<Message>> ReadLatest(long afterRevision) => throw new NotSupportedException();

        public Task Forget(string gatewayId) => throw new NotSupportedException();
    }
}
