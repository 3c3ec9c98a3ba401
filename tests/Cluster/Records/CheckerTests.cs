namespace OrleansRealtime.Tests.Cluster.Records;

/// <summary>The checker must find what it is there for: a chaos run that reports nothing proves nothing otherwise.</summary>
public sealed class CheckerTests
{
    const string Channel = "room:a";

    readonly Ledger _ledger = new();
    readonly MemberRecord _member = new("ann", Channel);
    readonly List<LogEntry> _log = [];

    public CheckerTests()
    {
        for (int offset = 1; offset <= 5; offset++)
        {
            Publish(offset);
        }
    }

    [Fact]
    public void A_complete_record_is_in_order()
    {
        See(1, 2, 3, 4, 5);
        Finds();
    }

    [Fact]
    public void A_lost_message_is_found()
    {
        See(1, 2, 4, 5);
        Finds(ViolationKind.Lost);
    }

    [Fact]
    public void A_lost_first_and_a_lost_last_message_are_found()
    {
        See(2, 3, 4);
        Finds(ViolationKind.Lost, ViolationKind.Lost);
    }

    [Fact]
    public void A_member_that_saw_nothing_has_lost_all()
    {
        See();
        Finds(ViolationKind.Lost);
    }

    [Fact]
    public void A_doubled_message_is_found()
    {
        See(1, 2, 3, 2, 4, 5);
        Finds(ViolationKind.Doubled);
    }

    [Fact]
    public void A_message_that_is_seen_again_after_resuming_is_found()
    {
        See(1, 2, 3);
        _member.Resume();
        Receive(3, 4, 5);
        Finds(ViolationKind.Doubled);
    }

    [Fact]
    public void A_reordered_message_is_found()
    {
        See(1, 3, 2, 4, 5);
        Finds(ViolationKind.Reordered);
    }

    [Fact]
    public void An_acknowledgement_with_another_offset_is_found()
    {
        See(1, 2, 3, 4, 5);
        Acknowledge("extra", 3, begun: 0);
        _log.Add(new(new("e", 6), "extra"));
        Receive("extra", 6);
        Finds(ViolationKind.WrongPlace);
    }

    [Fact]
    public void An_acknowledged_message_that_the_log_does_not_have_is_found()
    {
        See(1, 2, 3, 4, 5);
        Acknowledge("gone", 6);
        Finds(ViolationKind.Lost);
    }

    [Fact]
    public void A_message_that_is_twice_in_the_log_is_found()
    {
        See(1, 2, 3, 4, 5);
        _log.Add(new(new("e", 6), "m5"));
        Receive("m5", 6);
        Finds(ViolationKind.Doubled);
    }

    [Fact]
    public void A_message_that_nobody_has_published_is_found()
    {
        See(1, 2, 3, 4, 5);
        _log.Add(new(new("e", 6), "whence"));
        Receive("whence", 6);
        Finds(ViolationKind.Invented);
    }

    [Fact]
    public void Another_message_at_a_place_is_found()
    {
        See(1, 2, 3, 4);
        Receive("m4", 5);
        Finds(ViolationKind.WrongPlace);
    }

    [Fact]
    public void A_publication_without_an_acknowledgement_is_found()
    {
        See(1, 2, 3, 4, 5);
        _ledger.Try(Channel, "waiting");
        Finds(ViolationKind.Unacknowledged);
    }

    [Fact]
    public void A_message_that_precedes_what_was_acknowledged_before_is_found()
    {
        See(1, 2, 3, 4, 5);
        _log.Add(new(new("e", 6), "m7"));
        _log.Add(new(new("e", 7), "m6"));
        Receive("m7", 6);
        Receive("m6", 7);
        Acknowledge("m6", 7);
        Acknowledge("m7", 6);
        Finds(ViolationKind.Reordered);
    }

    [Fact]
    public void A_hole_in_the_log_is_found()
    {
        _log.RemoveAt(2);
        _member.Begin(new("e", 3));
        Receive(4, 5);
        Finds(ViolationKind.Lost, ViolationKind.Lost);
    }

    [Fact]
    public void What_a_client_was_told_to_be_gone_is_no_loss()
    {
        See(1, 2);
        _member.Gap(new("e", 3));
        Receive(4, 5);
        Finds();
    }

    [Fact]
    public void A_resumption_that_was_answered_as_not_recovered_is_no_loss()
    {
        See(1, 2);
        _member.Resume();
        Receive(4, 5);
        _member.NotRecovered();
        Finds();
    }

    [Fact]
    public void An_epoch_that_begins_untold_is_found()
    {
        See(1, 2, 3, 4, 5);
        _log.Clear();
        _log.Add(new(new("f", 1), "new"));
        _ledger.Try(Channel, "new");
        _member.Receive(new("f", 1), "new");
        Assert.Contains(
            Checker.Check(Logs(), _ledger, [_member]),
            v => v.Subject == "ann" && v.Kind == ViolationKind.Lost && v.Text.Contains("epoch", StringComparison.Ordinal));
    }

    void Finds(params ViolationKind[] kinds)
    {
        var found = Checker.Check(Logs(), _ledger, [_member]);
        Assert.True(kinds.SequenceEqual(found.Select(v => v.Kind)), string.Join('\n', found));
    }

    Dictionary<string, IReadOnlyList<LogEntry>> Logs() => new() { [Channel] = _log };

    void Publish(int offset)
    {
        string id = $"m{offset}";
        _log.Add(new(new("e", offset), id));
        Acknowledge(id, offset);
    }

    void Acknowledge(string id, long offset, int? begun = null)
    {
        _ledger.Try(Channel, id);
        int count = _ledger.Acknowledged.Count;
        var tried = DateTime.UnixEpoch.AddSeconds(begun ?? (2 * count));
        _ledger.Acknowledge(new("bob", Channel, id, new("e", offset), tried, DateTime.UnixEpoch.AddSeconds((2 * count) + 1), 1));
    }

    void See(params int[] offsets)
    {
        _member.Begin(new("e", 0));
        Receive(offsets);
    }

    void Receive(params int[] offsets)
    {
        foreach (int offset in offsets)
        {
            Receive($"m{offset}", offset);
        }
    }

    void Receive(string id, int offset) => _member.Receive(new("e", offset), id);
}
