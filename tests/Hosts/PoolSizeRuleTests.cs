using OrleansRealtime.Hosting;

namespace OrleansRealtime.Tests.Hosts;

public sealed class PoolSizeRuleTests
{
    static readonly TimeSpan Short = TimeSpan.FromMilliseconds(0.2), Long = TimeSpan.FromMilliseconds(2);

    [Fact]
    public void With_little_to_do_one_thread_is_left()
    {
        var rule = new PoolSizeRule(4);
        Assert.Equal(4, rule.Threads);
        Assert.Equal([4, 4, 4, 4, 4, 3, 2, 1, 1], Enumerable.Range(0, 9).Select(_ => After(rule, Short, used: 0.3)));
    }

    [Fact]
    public void Threads_that_are_needed_stay()
    {
        var rule = new PoolSizeRule(4);
        Assert.All(Enumerable.Range(0, 100), _ => Assert.Equal(4, After(rule, Short, used: 2)));
        Assert.Equal(3, Least(rule, used: 1.5));
    }

    [Fact]
    public void Where_work_waits_there_is_one_for_each_processor_at_once()
    {
        var rule = Small(6);
        Assert.Equal([6, 6], Enumerable.Range(0, 2).Select(_ => After(rule, Long, used: 6)));
    }

    [Fact]
    public void Where_fewer_soon_turned_out_to_be_too_few_it_takes_longer_until_there_are_fewer_again()
    {
        var rule = Small(2);
        var patience = Enumerable.Range(0, 12).Select(_ =>
        {
            After(rule, Long, used: 0.3);
            return MeasurementsUntilFewer(rule);
        });
        Assert.Equal([11, 21, 41, 81, 161, 321, 641, 1281, 1501, 1501, 1501, 1501], patience);
    }

    [Fact]
    public void Where_fewer_were_enough_for_long_it_takes_no_longer()
    {
        var rule = Small(2);
        Least(rule, used: 0.3);
        After(rule, Long, used: 0.3);
        Assert.Equal(6, MeasurementsUntilFewer(rule));
    }

    [Fact]
    public void While_all_threads_are_blocked_there_may_be_more_than_processors()
    {
        var rule = Small(2);
        Assert.Equal([2, 4, 8, 16, 32, 64, 64], Enumerable.Range(0, 7).Select(_ => StandingStill(rule, blocked: true)));
        Assert.Equal(64, After(rule, Long, used: 0));
        Assert.Equal(1, Least(rule, used: 0));
    }

    [Fact]
    public void Threads_that_were_blocked_go_as_fast_as_they_came()
    {
        var rule = Small(3);
        while (StandingStill(rule, blocked: true) < 64)
        {
        }

        MeasurementsUntilFewer(rule);
        Assert.Equal([16, 8, 4, 3, 2, 1], Enumerable.Range(0, 6).Select(_ => After(rule, Short, used: 0)));
    }

    [Fact]
    public void Threads_that_compute_for_long_are_joined_by_one_for_each_processor()
    {
        var rule = Small(4);
        Assert.Equal([4, 4], Enumerable.Range(0, 2).Select(_ => StandingStill(rule, blocked: false)));
    }

    /// <summary>The threads that are left when a load has lasted.</summary>
    static int Least(PoolSizeRule rule, double used)
    {
        for (int i = 0; i < 200; i++)
        {
            After(rule, Short, used);
        }

        return rule.Threads;
    }

    static int MeasurementsUntilFewer(PoolSizeRule rule)
    {
        int threads = rule.Threads, measurements = 1;
        for (; After(rule, Short, used: 0) == threads; measurements++)
        {
        }

        return measurements;
    }

    static PoolSizeRule Small(int processors)
    {
        var rule = new PoolSizeRule(processors);
        while (After(rule, Short, used: 0) > 1)
        {
        }

        return rule;
    }

    static int StandingStill(PoolSizeRule rule, bool blocked)
    {
        rule.StandsStill(blocked);
        return rule.Threads;
    }

    static int After(PoolSizeRule rule, TimeSpan wait, double used)
    {
        rule.Measured(wait, used);
        return rule.Threads;
    }
}
