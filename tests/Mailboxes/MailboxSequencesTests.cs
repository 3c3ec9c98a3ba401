using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateways;
using OrleansRealtime.Tests.Channels;

namespace OrleansRealtime.Tests.Mailboxes;

public sealed class MailboxSequencesTests
{
    readonly ManualTime _time = new();

    [Fact]
    public void A_send_that_did_not_come_is_noticed_and_a_repeated_one_is_not()
    {
        var sequences = new MailboxSequences(_time);
        Assert.Equal(
            [false, false, false, false, true, false, false],
            new long[] { 1, 2, 1, 2, 4, 3, 5 }.Select(s => sequences.IsHoleBefore(Batch("a", s))));
    }

    [Fact]
    public void An_outbox_that_is_first_heard_in_the_middle_has_lost_its_beginning()
    {
        var sequences = new MailboxSequences(_time);
        Assert.True(sequences.IsHoleBefore(Batch("a", 3)));
        Assert.False(sequences.IsHoleBefore(Batch("b", 1)));
        Assert.False(sequences.IsHoleBefore(Batch("a", 4)));
    }

    [Fact]
    public void What_is_not_counted_is_not_checked() => Assert.False(new MailboxSequences(_time).IsHoleBefore(new([], false)));

    [Fact]
    public void An_outbox_that_was_silent_for_long_is_forgotten()
    {
        var sequences = new MailboxSequences(_time);
        Assert.False(sequences.IsHoleBefore(Batch("a", 1)));
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.False(sequences.IsHoleBefore(Batch("b", 1)));
        Assert.True(sequences.IsHoleBefore(Batch("a", 2)));
    }

    static MailboxBatch Batch(string outbox, long sequence) => new([], false, outbox, sequence);
}
