using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;

namespace OrleansRealtime.Tests.Channels;

public sealed class ChannelLogTests : IAsyncLifetime
{
    readonly ManualTime _time = new();
    readonly SqliteChannelStore _sqlite;
    readonly GatedStore _store;
    readonly ChannelId _channel = new(ChannelKind.Room, "/:" + Guid.NewGuid().ToString("N"));
    readonly ChannelOptions _options = new();
    readonly List<Message> _passedOn = [];
    readonly List<Answer?> _answers = [];
    int _superseded;
    int _restarted;

    public ChannelLogTests()
    {
        _sqlite = SqliteChannelStoreTests.Create(SqliteOptions.InMemory, _time);
        _store = new(_sqlite);
    }

    public ValueTask InitializeAsync()
    {
        _sqlite.Open();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _sqlite.DisposeAsync();

    [Fact]
    public Task Offsets_are_consecutive_in_one_epoch() => InTurns(async () =>
    {
        ChannelLog log = await Open();

        PublishResult[] results = [.. await log.PublishAsync([Say(), Say()]), .. await log.PublishAsync([Say()])];

        Assert.Equal([1, 2, 3], results.Select(r => r.Offset));
        Assert.All(results, r => Assert.Equal((PublishStatus.Accepted, log.Head.Epoch, false), (r.Status, r.Epoch, r.Duplicate)));
        Assert.Equal([1, 2, 3], _passedOn.Select(m => m.Offset));
        Assert.Equal(new(log.Head.Epoch, 3, 0), log.Head);
    });

    [Fact]
    public Task What_is_published_during_an_append_forms_one_batch() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        _store.Hold();
        Task<PublishResult[]> first = log.PublishAsync([Say()]);
        Task<PublishResult[]>[] waiting = [.. Enumerable.Range(0, 20).Select(_ => log.PublishAsync([Say()]))];
        Assert.Equal(1, _store.Appends);

        _store.Release();

        Assert.Equal(1, (await first)[0].Offset);
        Assert.Equal(Enumerable.Range(2, 20).Select(i => (long)i), (await Task.WhenAll(waiting)).Select(r => r[0].Offset));
        Assert.Equal(2, _store.Appends);
    });

    [Fact]
    public Task An_answer_tells_of_an_append_only_where_that_is_all_of_its_call() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        var answer = new Answer("gateway");
        _store.Hold();
        Task<PublishResult[]> alone = log.PublishAsync([Say()], answer);
        Task<PublishResult[]>[] together = [log.PublishAsync([Say()], new Answer("gateway")), log.PublishAsync([Say()], new Answer("other"))];

        _store.Release();

        await Task.WhenAll([alone, .. together]);
        Assert.Equal([answer, null], _answers);
    });

    [Fact]
    public Task A_message_id_has_one_offset_in_its_batch_and_later_and_after_reopening() => InTurns(async () =>
    {
        ChannelLog log = await Open();

        PublishResult[] twins = await log.PublishAsync([Say("a"), Say("a"), Say("b")]);
        PublishResult later = (await log.PublishAsync([Say("a")]))[0];
        PublishResult reopened = (await (await Open()).PublishAsync([Say("a")]))[0];

        Assert.Equal([(1, false), (1, true), (2, false)], twins.Select(r => (r.Offset, r.Duplicate)));
        Assert.Equal(twins[0] with { Duplicate = true }, later);
        Assert.Equal(later, reopened);
        Assert.Equal([1, 2], _passedOn.Select(m => m.Offset));
    });

    [Fact]
    public Task Another_publishers_message_id_is_another() => InTurns(async () =>
    {
        ChannelLog log = await Open();

        PublishResult[] results = await log.PublishAsync([Say("a"), Say("a") with { From = "bob" }, Say("a") with { From = null }]);

        Assert.Equal([(1, false), (2, false), (3, false)], results.Select(r => (r.Offset, r.Duplicate)));
    });

    [Fact]
    public Task Reading_goes_forward_from_a_cursor_and_back_from_an_offset() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([.. Enumerable.Range(0, 10).Select(_ => Say())]);

        AssertPage([4, 5, 6], true, true, await log.ReadAsync(new(At(log, 3), null, 3)));
        AssertPage([8, 9, 10], true, false, await log.ReadAsync(new(At(log, 7), null, 3)));
        AssertPage([], true, false, await log.ReadAsync(new(At(log, 10), null, 3)));
        AssertPage([8, 9, 10], true, true, await log.ReadAsync(new(null, null, 3)));
        AssertPage([5, 6, 7], true, true, await log.ReadAsync(new(null, 8, 3)));
        AssertPage([1, 2], true, false, await log.ReadAsync(new(null, 3, 3)));
        AssertPage([], true, false, await log.ReadAsync(new(null, 1, 3)));
    });

    [Fact]
    public Task A_cursor_of_another_epoch_or_beyond_the_head_is_not_recovered() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([Say(), Say()]);

        AssertPage([1, 2], false, false, await log.ReadAsync(new(new Cursor(Epoch.New(_channel), 2), null, 10)));
        AssertPage([], false, false, await log.ReadAsync(new(At(log, 3), null, 10)));
    });

    [Fact]
    public Task A_cursor_whose_next_message_is_trimmed_is_not_recovered() => InTurns(async () =>
    {
        _options.Rooms.Count = 5;
        ChannelLog log = await Open();
        await log.PublishAsync([.. Enumerable.Range(0, 20).Select(_ => Say())]);
        _time.Advance(TimeSpan.FromMinutes(2));
        await log.TrimIfDueAsync();

        HistoryPage trimmed = await log.ReadAsync(new(At(log, 14), null, 10));
        AssertPage([16, 17, 18, 19, 20], false, false, trimmed);
        Assert.Equal(16, trimmed.First);
        AssertPage([16, 17, 18, 19, 20], true, false, await log.ReadAsync(new(At(log, 15), null, 10)));
        AssertPage([16, 17, 18, 19, 20], true, false, await log.ReadAsync(new(null, null, 10)));
    });

    [Fact]
    public Task A_retry_after_a_lost_answer_gets_the_first_offset() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([Say()]);
        _store.LoseNextAnswer = true;

        PublishResult lost = (await log.PublishAsync([Say("a")]))[0];
        PublishResult retry = (await log.PublishAsync([Say("a")]))[0];
        PublishResult next = (await log.PublishAsync([Say("b")]))[0];

        Assert.Equal(PublishStatus.Unavailable, lost.Status);
        Assert.Equal((PublishStatus.Accepted, 2, true), (retry.Status, retry.Offset, retry.Duplicate));
        Assert.Equal((PublishStatus.Accepted, 3, false), (next.Status, next.Offset, next.Duplicate));
        Assert.Equal(0, _superseded);
    });

    [Fact]
    public Task What_an_append_has_written_after_all_is_passed_on() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        _store.LoseNextAnswer = true;
        await log.PublishAsync([Say("lost")]);
        await log.PublishAsync([Say("next")]);

        Assert.Equal(["lost", "next"], _passedOn.Select(m => m.MessageId));
    });

    [Fact]
    public Task A_defect_of_the_store_is_told_to_those_who_wait_and_the_log_goes_on() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        _store.LoseNextAnswer = true;
        await log.PublishAsync([Say("a")]);
        _store.NextOpenFails = new InvalidOperationException("defect");

        await Assert.ThrowsAsync<InvalidOperationException>(() => log.PublishAsync([Say("b")]));
        Assert.Equal(2, (await log.PublishAsync([Say("b")]))[0].Offset);
    });

    [Fact]
    public Task Where_the_newest_do_not_fit_into_a_page_the_oldest_are_left_out() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        var large = new Payload(PayloadKind.Binary, new byte[100_000]);
        for (int i = 0; i < 20; i++)
        {
            await log.PublishAsync([Say() with { Data = large }]);
        }

        HistoryPage newest = await log.ReadAsync(new(null, null, 20));
        Assert.Equal(20, newest.Messages[^1].Offset);
        Assert.True(newest.More);
        HistoryPage before = await log.ReadAsync(new(null, newest.Messages[0].Offset, 20));
        Assert.Equal(newest.Messages[0].Offset - 1, before.Messages[^1].Offset);
    });

    [Fact]
    public Task An_owner_that_has_been_overtaken_is_told_so_and_writes_nothing() => InTurns(async () =>
    {
        ChannelLog old = await Open();
        ChannelLog successor = await Open();
        await successor.PublishAsync([Say("new")]);

        PublishResult refused = (await old.PublishAsync([Say("old")]))[0];

        Assert.Equal(PublishStatus.NotKept, refused.Status);
        Assert.Equal(1, _superseded);
        Assert.Equal(["new"], (await successor.ReadAsync(new(null, null, 10))).Messages.Select(m => m.MessageId));
    });

    [Fact]
    public Task A_log_whose_epoch_is_over_goes_on_in_the_new_one() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([Say("a")]);
        string newEpoch = (await _store.RenewAsync(_channel, log.Head.Epoch, TestContext.Current.CancellationToken)).Epoch;

        PublishResult refused = (await log.PublishAsync([Say("b")]))[0];
        PublishResult retry = (await log.PublishAsync([Say("b")]))[0];

        Assert.Equal(PublishStatus.NotKept, refused.Status);
        Assert.Equal((PublishStatus.Accepted, newEpoch, 2), (retry.Status, retry.Epoch, retry.Offset));
        Assert.Equal((1, 0), (_restarted, _superseded));
    });

    [Fact]
    public Task A_log_that_ends_before_what_somebody_was_told_goes_on_in_a_new_epoch() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([Say("a")]);
        Cursor lost = At(log, 3);

        await log.CompareAsync(lost);

        Assert.Equal((1, 0), (_restarted, _superseded));
        Assert.NotEqual(lost.Epoch, log.Head.Epoch);
        Assert.Equal(2, (await log.PublishAsync([Say("b")]))[0].Offset);
        AssertPage([1, 2], false, false, await log.ReadAsync(new(lost, null, 10)));
    });

    [Fact]
    public Task An_owner_that_hears_of_messages_another_has_written_gives_way() => InTurns(async () =>
    {
        ChannelLog old = await Open();
        ChannelLog successor = await Open();
        await successor.PublishAsync([Say("new")]);

        await old.CompareAsync(At(successor, 1));

        Assert.Equal((0, 1), (_restarted, _superseded));
    });

    [Fact]
    public Task A_position_within_the_log_changes_nothing() => InTurns(async () =>
    {
        ChannelLog log = await Open();
        await log.PublishAsync([Say(), Say()]);
        ChannelHead head = log.Head;

        await log.CompareAsync(At(log, 2));
        await log.CompareAsync(new(Epoch.New(_channel), 99));

        Assert.Equal(head, log.Head);
        Assert.Equal((0, 0), (_restarted, _superseded));
    });

    [Fact]
    public Task More_than_may_wait_is_overloaded() => InTurns(async () =>
    {
        _options.PendingCount = 2;
        ChannelLog log = await Open();
        _store.Hold();
        Task<PublishResult[]>[] accepted = [.. Enumerable.Range(0, 3).Select(_ => log.PublishAsync([Say()]))];

        Assert.Equal(PublishStatus.Overloaded, (await log.PublishAsync([Say()]))[0].Status);

        _store.Release();
        Assert.Equal([1, 2, 3], (await Task.WhenAll(accepted)).Select(r => r[0].Offset));
        Assert.Equal(4, (await log.PublishAsync([Say()]))[0].Offset);
    });

    [Fact]
    public Task Transient_messages_are_passed_on_beside_the_log() => InTurns(async () =>
    {
        ChannelLog log = await Open();

        PublishResult result = (await log.PublishAsync([Say() with { Delivery = Delivery.Transient }]))[0];

        Assert.Equal((PublishStatus.Accepted, 0), (result.Status, result.Offset));
        Assert.Equal((Delivery.Transient, 0), (Assert.Single(_passedOn).Delivery, _passedOn[0].Offset));
        Assert.Equal((0, 0), (_store.Appends, log.Head.Offset));
    });

    [Fact]
    public Task Latest_values_have_revisions_and_replace_their_key() => InTurns(async () =>
    {
        ChannelLog log = await Open();

        PublishResult[] results = await log.PublishAsync([Value("x"), Say(), Value("y"), Value("x")]);

        Assert.Equal([1, 1, 2, 3], results.Select(r => r.Offset));
        Assert.Equal(new(log.Head.Epoch, 1, 3), log.Head);
        Assert.Equal([("y", 2), ("x", 3)], (await log.ReadLatestAsync(0)).Select(m => (m.Key, m.Offset)));
        Assert.Equal([("x", 3)], (await log.ReadLatestAsync(2)).Select(m => (m.Key, m.Offset)));
        Assert.Equal(log.Head, (await Open()).Head);
    });

    static Publication Say(string? id = null) => new("said", Payload.Null, "ann", id);

    static Publication Value(string key) => Say() with { Delivery = Delivery.Latest, Key = key };

    static Cursor At(ChannelLog log, long offset) => new(log.Head.Epoch, offset);

    static void AssertPage(long[] offsets, bool recovered, bool more, HistoryPage page)
    {
        Assert.Equal(offsets, page.Messages.Select(m => m.Offset));
        Assert.Equal((recovered, more), (page.Recovered, page.More));
    }

    /// <summary>As in a grain: one thing at a time.</summary>
    static Task InTurns(Func<Task> test) => Task.Factory.StartNew(
        test, TestContext.Current.CancellationToken, TaskCreationOptions.None, new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler).Unwrap();

    void OnAppended(IReadOnlyList<Message> messages, Answer? answer)
    {
        _passedOn.AddRange(messages);
        _answers.Add(answer);
    }

    async Task<ChannelLog> Open()
    {
        var log = new ChannelLog(_channel, _store, _options, _time, OnAppended, () => _superseded++, () => _restarted++);
        await log.OpenAsync(TestContext.Current.CancellationToken);
        return log;
    }
}
