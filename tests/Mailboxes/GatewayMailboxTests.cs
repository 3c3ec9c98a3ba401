using Orleans.Streams;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Tests.Mailboxes;

public sealed class GatewayMailboxTests
{
    readonly List<Task> _posted = [];
    readonly GatewayMailbox _mailbox = new(Mailbox.StreamOf("one"));

    [Fact]
    public void A_batch_is_delivered_when_the_agent_comes_back_for_more()
    {
        using var reader = _mailbox.Read();
        Post(3);
        Assert.Equal(3, Take(reader).Count);
        Assert.Equal(0, Delivered);
        Assert.Empty(Take(reader));
        Assert.Equal(3, Delivered);
    }

    [Fact]
    public void An_agent_takes_no_more_than_a_call_carries_and_then_has_delivered_them()
    {
        using var reader = _mailbox.Read();
        Post(40);
        for (int i = 0; i < GatewayMailbox.DeliveredTogether; i++)
        {
            Assert.Equal(QueueCacheCursorMoveResult.Success, reader.MoveNextWithResult());
        }

        Assert.Equal(0, Delivered);
        Assert.Equal(8, Take(reader).Count);
        Assert.Equal(GatewayMailbox.DeliveredTogether, Delivered);
    }

    [Fact]
    public void A_full_mailbox_drops_its_oldest_batches_and_the_next_one_says_so()
    {
        using var reader = _mailbox.Read();
        Post(GatewayMailbox.MaxSends + 10);
        Assert.Equal(GatewayMailbox.MaxSends, _mailbox.Count);
        Assert.Equal(10, Delivered);
        Assert.All(_posted.Take(10), posted => Assert.True(posted.IsCompletedSuccessfully));
        var taken = Take(reader);
        Assert.Equal(11, taken[0].Number);
        Assert.True(taken[0].Lost);
        Assert.All(taken.Skip(1), batch => Assert.False(batch.Lost));
    }

    [Fact]
    public void What_was_dropped_before_anybody_read_is_told_to_the_first_who_takes_a_batch()
    {
        Post(GatewayMailbox.MaxSends + 1);
        _mailbox.Read().Dispose();
        using var reader = _mailbox.Read();
        Assert.True(Take(reader)[0].Lost);
    }

    [Fact]
    public void Batches_that_are_dropped_while_they_are_delivered_are_not_lost()
    {
        using var reader = _mailbox.Read();
        Post(10);
        Take(reader);
        Post(GatewayMailbox.MaxSends);
        Assert.All(Take(reader), batch => Assert.False(batch.Lost));
    }

    [Fact]
    public void After_a_delivery_that_failed_the_next_batch_says_so()
    {
        using var reader = _mailbox.Read();
        Post(2);
        Take(reader);
        reader.RecordDeliveryFailure();
        Post(2);
        Assert.Equal([true, false], Take(reader).Select(batch => batch.Lost));
    }

    [Fact]
    public void A_stream_that_registers_holds_its_batches_until_its_subscriber_reads()
    {
        var pin = _mailbox.Read();
        Post(3);
        using var reader = _mailbox.Read();
        Take(reader);
        Take(reader);
        Assert.Equal(0, Delivered);

        // Nothing may come that would wake the agent: those who post wait for this.
        pin.Dispose();
        Assert.Equal(3, Delivered);
        Assert.False(_mailbox.IsAbandoned);
    }

    [Fact]
    public void A_reader_that_the_agent_does_not_wake_any_more_holds_up_nobody()
    {
        using var forgotten = _mailbox.Read();
        using var reader = _mailbox.Read();
        Take(forgotten);
        Take(reader);
        Post(1);
        Assert.True(_mailbox.TryRing(out _));
        Take(reader);
        Take(reader);
        Assert.Equal(0, Delivered);
        _mailbox.RemoveForgotten();
        Assert.Equal(1, Delivered);
        Assert.False(_mailbox.IsAbandoned);
    }

    [Fact]
    public void A_reader_that_delivers_or_has_not_been_rung_for_is_not_forgotten()
    {
        using var delivering = _mailbox.Read();
        using var resting = _mailbox.Read();
        Post(1);
        Assert.True(_mailbox.TryRing(out _));
        Take(delivering);
        Take(resting);
        Take(resting);
        Post(1);
        _mailbox.RemoveForgotten();
        Take(resting);
        Take(resting);
        Assert.Equal(0, Delivered);
        Take(delivering);
        Assert.Equal(1, Delivered);
    }

    [Fact]
    public void A_mailbox_whose_last_reader_has_gone_is_abandoned_and_keeps_nothing_once_it_is_closed()
    {
        Assert.False(_mailbox.IsAbandoned);
        Post(3);
        _mailbox.Read().Dispose();
        Assert.True(_mailbox.IsAbandoned);
        _mailbox.Close();
        Post(1);
        Assert.Equal(0, _mailbox.Count);
        Assert.Equal(4, Delivered);
    }

    [Fact]
    public async Task A_silo_that_stops_tells_the_outboxes_what_it_has_not_delivered()
    {
        using var reader = _mailbox.Read();
        Post(1);
        Take(reader);
        Take(reader);
        Post(2);
        _mailbox.Stop();
        Post(1);
        Assert.Equal([true, false, false, false], _posted.Select(posted => posted.IsCompletedSuccessfully));
        await Assert.ThrowsAsync<OrleansException>(() => _posted[3]);
    }

    [Fact]
    public void The_agent_is_woken_once_for_what_has_come()
    {
        int woken = 0;
        _mailbox.Attach(() => woken++);
        Post(2);
        Assert.Equal(3, woken);
        Assert.True(_mailbox.TryRing(out var newest));
        Assert.Equal(2, newest.Number);
        Assert.False(_mailbox.TryRing(out _));
        Post(1);
        Assert.True(_mailbox.TryRing(out _));
    }

    static List<QueuedBatch> Take(IQueueCacheCursor reader)
    {
        var taken = new List<QueuedBatch>();
        while (reader.MoveNextWithResult() == QueueCacheCursorMoveResult.Success)
        {
            taken.Add((QueuedBatch)reader.GetCurrent(out _)!);
        }

        return taken;
    }

    /// <summary>Of what was posted, how much is done with.</summary>
    int Delivered => _posted.Count(posted => posted.IsCompleted);

    void Post(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _posted.Add(_mailbox.PostAsync([new([], Lost: false)]));
        }
    }
}
