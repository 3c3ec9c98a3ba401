using System.Net;
using OrleansRealtime.Mailboxes.Redis;

namespace OrleansRealtime.Tests.Mailboxes;

public sealed class QueueSharesTests
{
    static readonly SiloAddress[] Silos = [.. Enumerable.Range(1, 5).Select(i => SiloAddress.New(IPAddress.Loopback, 11000 + i, i))];

    [Theory]
    [InlineData(1, 8)]
    [InlineData(2, 8)]
    [InlineData(3, 8)]
    [InlineData(5, 3)]
    public void Every_queue_has_one_reader_and_no_silo_more_than_its_share(int silos, int queues)
    {
        var active = Silos.Take(silos).ToList();
        var shares = active.ConvertAll(silo => QueueShares.Of(silo, active, queues));
        Assert.Equal(Enumerable.Range(0, queues), shares.SelectMany(s => s).Order());
        Assert.All(shares, share => Assert.InRange(share.Count, 0, (queues + silos - 1) / silos));
    }

    [Fact]
    public void A_silo_that_is_not_active_reads_nothing() => Assert.Empty(QueueShares.Of(Silos[0], Silos[1..], 8));

    [Fact]
    public void The_order_in_which_silos_are_listed_does_not_matter() =>
        Assert.Equal(QueueShares.Of(Silos[0], Silos, 8), QueueShares.Of(Silos[0], [.. Silos.Reverse()], 8));
}
