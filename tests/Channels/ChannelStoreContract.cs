using System.Text;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Tests.Channels;

/// <summary>What every channel store does. Each test has channels of its own, so that stores may be shared.</summary>
public abstract class ChannelStoreContract
{
    static readonly Retention Unlimited = new(int.MaxValue, TimeSpan.FromDays(3650), long.MaxValue);

    private protected ManualTime Time { get; } = new();

    private protected ChannelId Channel { get; } = ChannelId.User(Guid.NewGuid().ToString("N"));

    private protected abstract IChannelStore Store { get; }

    private protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Opening_creates_an_epoch_and_keeps_it()
    {
        StoredChannel created = await Store.OpenAsync(Channel, Cancellation);
        StoredChannel again = await Store.OpenAsync(Channel, Cancellation);

        Assert.True(Epoch.IsWellFormed(created.Epoch) && Epoch.Belongs(created.Epoch, Channel));
        Assert.Equal(new(created.Epoch, 0, 1, 0), created);
        Assert.Equal(created, again);
    }

    [Fact]
    public async Task Channels_of_different_kinds_have_logs_of_their_own()
    {
        StoredChannel user = await Store.OpenAsync(Channel, Cancellation);
        StoredChannel room = await Store.OpenAsync(new(ChannelKind.Room, Channel.Key), Cancellation);
        await Append(user.Epoch, Durable(1));

        Assert.NotEqual(user.Epoch, room.Epoch);
        Assert.Equal(0, (await Store.OpenAsync(new(ChannelKind.Room, Channel.Key), Cancellation)).Head);
    }

    [Fact]
    public async Task Appended_messages_are_read_back_as_they_were()
    {
        string epoch = await Open();
        Message[] messages =
        [
            Durable(1) with
            {
                Event = "größe 🎉",
                MessageId = "m-1",
                Key = "k",
                Data = new(PayloadKind.Json, "{\"a\":\"ü\\u0000\"}"u8.ToArray()),
            },
            Durable(2) with { From = null, MessageId = null, Data = new(PayloadKind.Binary, [0, 255, 0, 128]) },
            Durable(3) with { From = "", MessageId = "", Data = new(PayloadKind.Binary, []) },
            Durable(4) with
            {
                From = new string('漢', 300),
                Data = new(PayloadKind.Binary, [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)]),
            },
        ];

        await Append(epoch, messages);

        AssertSame(messages, await Read(epoch));
    }

    [Fact]
    public async Task Appends_continue_at_the_head()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2));
        await Append(epoch, Durable(3));

        Assert.Equal(new(epoch, 3, 1, 0), await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal([1, 2, 3], Offsets(await Read(epoch)));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(2)]
    [InlineData(1)]
    public async Task An_append_that_does_not_follow_the_head_is_a_conflict(long offset)
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2));

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(offset)], Cancellation));
        Assert.Equal(2, (await Store.OpenAsync(Channel, Cancellation)).Head);
        Assert.Equal([1, 2], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task An_append_in_another_epoch_is_a_conflict()
    {
        string epoch = await Open();

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, Epoch.New(Channel), [Durable(1)], Cancellation));
        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, Epoch.New(Channel), [Latest("k", 1)], Cancellation));
        Assert.Empty(await Read(epoch));
        Assert.Empty(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation));
    }

    [Fact]
    public async Task A_conflict_writes_nothing_of_the_append()
    {
        string epoch = await Open();

        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Latest("k", 1), Durable(2)], Cancellation));
        Assert.Equal(new(epoch, 0, 1, 0), await Store.OpenAsync(Channel, Cancellation));
        Assert.Empty(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation));
    }

    [Fact]
    public async Task Of_two_owners_that_append_the_same_offset_one_succeeds()
    {
        string epoch = await Open();

        AppendOutcome[] outcomes = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(_ => Store.AppendAsync(Channel, epoch, [Durable(1)], Cancellation)));

        Assert.Single(outcomes, AppendOutcome.Appended);
        Assert.Equal([1], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Reading_begins_after_the_cursor_and_ends_at_the_count()
    {
        string epoch = await Open();
        await Append(epoch, [.. Enumerable.Range(1, 10).Select(i => Durable(i))]);

        Assert.Equal([4, 5, 6], Offsets(await Store.ReadAsync(Channel, epoch, 3, 3, int.MaxValue, Cancellation)));
        Assert.Equal([9, 10], Offsets(await Store.ReadAsync(Channel, epoch, 8, 3, int.MaxValue, Cancellation)));
        Assert.Empty(await Store.ReadAsync(Channel, epoch, 10, 3, int.MaxValue, Cancellation));
        Assert.Empty(await Store.ReadAsync(Channel, epoch, 99, 3, int.MaxValue, Cancellation));
    }

    [Fact]
    public async Task Reading_ends_at_the_bytes_but_gives_at_least_one()
    {
        string epoch = await Open();
        Message[] messages = [.. Enumerable.Range(1, 4).Select(i => Durable(i))];
        await Append(epoch, messages);
        int size = messages[0].Size;

        Assert.Equal([1, 2], Offsets(await Store.ReadAsync(Channel, epoch, 0, 10, (2 * size) + 1, Cancellation)));
        Assert.Equal([1, 2], Offsets(await Store.ReadAsync(Channel, epoch, 0, 10, 2 * size, Cancellation)));
        Assert.Equal([3], Offsets(await Store.ReadAsync(Channel, epoch, 2, 10, 1, Cancellation)));
    }

    [Fact]
    public async Task Nothing_is_read_in_another_epoch_or_of_an_unknown_channel()
    {
        await Append(await Open(), Durable(1), Latest("k", 1));

        Assert.Empty(await Store.ReadAsync(Channel, Epoch.New(Channel), 0, 10, int.MaxValue, Cancellation));
        Assert.Empty(await Store.ReadLatestAsync(Channel, Epoch.New(Channel), 0, Cancellation));
        Assert.Empty(await Store.ReadAsync(ChannelId.User(Guid.NewGuid().ToString()), Epoch.New(Channel), 0, 10, int.MaxValue, Cancellation));
    }

    [Fact]
    public async Task A_latest_value_replaces_that_of_its_key()
    {
        string epoch = await Open();
        Message[] values = [Latest("b", 2), Latest("a", 3) with { From = "ann", MessageId = "m", Data = new(PayloadKind.Binary, [1, 0]) }];
        await Append(epoch, Latest("a", 1), values[0]);
        await Append(epoch, values[1]);

        AssertSame(values, await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation));
        Assert.Equal([3], Offsets(await Store.ReadLatestAsync(Channel, epoch, 2, Cancellation)));
        Assert.Empty(await Store.ReadLatestAsync(Channel, epoch, 3, Cancellation));
        Assert.Equal(new(epoch, 0, 1, 3), await Store.OpenAsync(Channel, Cancellation));
    }

    [Fact]
    public async Task Durable_messages_and_latest_values_travel_in_one_append()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Latest("a", 1), Durable(2), Latest("b", 2));

        Assert.Equal(new(epoch, 2, 1, 2), await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal([1, 2], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Trimming_keeps_the_newest_by_count()
    {
        string epoch = await Open();
        await Append(epoch, [.. Enumerable.Range(1, 10).Select(i => Durable(i))]);

        Assert.Equal(8, await Store.TrimAsync(Channel, epoch, Unlimited with { Count = 3 }, Cancellation));
        Assert.Equal([8, 9, 10], Offsets(await Read(epoch)));
        Assert.Equal(new(epoch, 10, 8, 0), await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal(8, await Store.TrimAsync(Channel, epoch, Unlimited with { Count = 3 }, Cancellation));
    }

    [Fact]
    public async Task Trimming_removes_what_is_too_old()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Latest("a", 1));
        Time.Advance(TimeSpan.FromMinutes(10));
        await Append(epoch, Durable(2), Latest("b", 2));
        Time.Advance(TimeSpan.FromMinutes(10));

        Assert.Equal(2, await Store.TrimAsync(Channel, epoch, Unlimited with { Age = TimeSpan.FromMinutes(15) }, Cancellation));
        Assert.Equal([2], Offsets(await Read(epoch)));
        Assert.Equal([2], Offsets(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation)));
    }

    [Fact]
    public async Task Trimming_keeps_what_fits_into_the_bytes()
    {
        string epoch = await Open();
        Message[] messages = [.. Enumerable.Range(1, 6).Select(i => Durable(i) with { Data = new(PayloadKind.Binary, new byte[i * 100]) })];
        await Append(epoch, messages);

        Assert.Equal(5, await Store.TrimAsync(Channel, epoch, Unlimited with { Bytes = messages[4].Size + messages[5].Size }, Cancellation));
        Assert.Equal(6, await Store.TrimAsync(Channel, epoch, Unlimited with { Bytes = messages[4].Size + messages[5].Size - 1 }, Cancellation));
        Assert.Equal([6], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Trimming_keeps_the_newest_keys_of_latest_values()
    {
        string epoch = await Open();
        await Append(epoch, Latest("a", 1), Latest("b", 2), Latest("c", 3));
        await Append(epoch, Latest("a", 4));

        await Store.TrimAsync(Channel, epoch, Unlimited with { Count = 2 }, Cancellation);

        Assert.Equal([3, 4], Offsets(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation)));
    }

    [Fact]
    public async Task Head_and_revision_survive_the_trimming_of_everything()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2), Latest("a", 1));
        Time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(3, await Store.TrimAsync(Channel, epoch, Unlimited with { Age = TimeSpan.FromMinutes(1) }, Cancellation));
        Assert.Equal(new(epoch, 2, 3, 1), await Store.OpenAsync(Channel, Cancellation));
        Assert.Empty(await Read(epoch));
        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(1)], Cancellation));

        await Append(epoch, Durable(3), Latest("a", 2));
        Assert.Equal([3], Offsets(await Read(epoch)));
        Assert.Equal(new(epoch, 3, 3, 2), await Store.OpenAsync(Channel, Cancellation));
    }

    [Fact]
    public async Task A_log_that_is_trimmed_all_the_time_has_no_holes()
    {
        string epoch = await Open();
        for (int i = 1; i <= 200; i++)
        {
            await Append(epoch, Durable(i));
            Assert.Equal(Math.Max(1, i - 4), await Store.TrimAsync(Channel, epoch, Unlimited with { Count = 5 }, Cancellation));
        }

        Assert.Equal([196, 197, 198, 199, 200], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Trimming_in_another_epoch_removes_nothing()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2));

        await Store.TrimAsync(Channel, Epoch.New(Channel), Unlimited with { Count = 0 }, Cancellation);

        Assert.Equal([1, 2], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Renewing_changes_the_epoch_and_keeps_the_messages()
    {
        string epoch = await Open();
        await Append(epoch, [.. Enumerable.Range(1, 5).Select(i => Durable(i)), Latest("a", 1)]);
        await Store.TrimAsync(Channel, epoch, Unlimited with { Count = 3 }, Cancellation);

        StoredChannel renewed = await Store.RenewAsync(Channel, epoch, Cancellation);

        Assert.NotEqual(epoch, renewed.Epoch);
        Assert.True(Epoch.IsWellFormed(renewed.Epoch) && Epoch.Belongs(renewed.Epoch, Channel));
        Assert.Equal(new(renewed.Epoch, 5, 3, 1), renewed);
        Assert.Equal(renewed, await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal([3, 4, 5], Offsets(await Read(renewed.Epoch)));
        Assert.Equal([1], Offsets(await Store.ReadLatestAsync(Channel, renewed.Epoch, 0, Cancellation)));
        Assert.Empty(await Read(epoch));
        Assert.Equal(AppendOutcome.Conflict, await Store.AppendAsync(Channel, epoch, [Durable(6)], Cancellation));
        await Append(renewed.Epoch, Durable(6), Latest("a", 2));
    }

    [Fact]
    public async Task Renewing_an_epoch_that_is_over_changes_nothing()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1));
        StoredChannel renewed = await Store.RenewAsync(Channel, epoch, Cancellation);

        Assert.Equal(renewed, await Store.RenewAsync(Channel, epoch, Cancellation));
        Assert.Equal(renewed, await Store.OpenAsync(Channel, Cancellation));
    }

    [Fact]
    public async Task Of_many_that_renew_the_same_epoch_one_does()
    {
        string epoch = await Open();

        StoredChannel[] renewed = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Store.RenewAsync(Channel, epoch, Cancellation)));

        Assert.Single(renewed.Distinct());
        Assert.NotEqual(epoch, renewed[0].Epoch);
    }

    [Fact]
    public async Task Many_channels_append_read_and_trim_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 50).Select(async n =>
        {
            ChannelId channel = ChannelId.User($"{Channel.Key}-{n}");
            string epoch = (await Store.OpenAsync(channel, Cancellation)).Epoch;
            long seen = 0;
            for (int i = 1; i <= 120; i += 2)
            {
                Assert.Equal(AppendOutcome.Appended, await Store.AppendAsync(channel, epoch, [Durable(i), Durable(i + 1)], Cancellation));
                IReadOnlyList<Message> fresh = await Store.ReadAsync(channel, epoch, seen, 100, int.MaxValue, Cancellation);
                Assert.Equal([i, i + 1], Offsets(fresh));
                seen = fresh[^1].Offset;
                if (i % 40 == 39)
                {
                    Assert.Equal(seen - 9, await Store.TrimAsync(channel, epoch, Unlimited with { Count = 10 }, Cancellation));
                }
            }
        }));
    }

    [Fact]
    public async Task A_cancelled_call_does_nothing()
    {
        string epoch = await Open();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.AppendAsync(Channel, epoch, [Durable(1)], new(canceled: true)));
        Assert.Equal(0, (await Store.OpenAsync(Channel, Cancellation)).Head);
    }

    private protected static IEnumerable<long> Offsets(IEnumerable<Message> messages) => messages.Select(m => m.Offset);

    private protected async Task<string> Open() => (await Store.OpenAsync(Channel, Cancellation)).Epoch;

    private protected async Task Append(string epoch, params Message[] messages) =>
        Assert.Equal(AppendOutcome.Appended, await Store.AppendAsync(Channel, epoch, messages, Cancellation));

    private protected Task<IReadOnlyList<Message>> Read(string epoch) =>
        Store.ReadAsync(Channel, epoch, 0, int.MaxValue, int.MaxValue, Cancellation);

    private protected Message Durable(long offset) =>
        new(offset, Time.Milliseconds, "said", new(PayloadKind.Json, Encoding.UTF8.GetBytes("\"hello\"")), "ann", null, Delivery.Durable, null);

    private protected Message Latest(string key, long revision) => Durable(revision) with { Delivery = Delivery.Latest, Key = key };

    static void AssertSame(Message[] expected, IReadOnlyList<Message> actual)
    {
        Assert.Equal(expected.Length, actual.Count);
        foreach ((Message left, Message right) in expected.Zip(actual))
        {
            Assert.Equal(left.Data.Kind, right.Data.Kind);
            Assert.Equal(left.Data.Bytes, right.Data.Bytes);
            Assert.Equal(left, right with { Data = left.Data });
        }
    }
}
