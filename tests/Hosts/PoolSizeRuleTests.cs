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
        Assert.Equal([3, 2, 1, 1], Enumerable.Range(0, 4).Select(_ => After(rule, Short, used: 0.3)));
    }

    [Fact]
    public void Threads_that_are_needed_stay()
    {
        var rule = new PoolSizeRule(4);
        Assert.Equal([4, 4], Enumerable.Range(0, 2).Select(_ => After(rule, Short, used: 2)));
        Assert.Equal([3, 3], Enumerable.Range(0, 2).Select(_ => After(rule, Short, used: 1.5)));
    }

    [Fact]
    public void Where_work_waits_there_are_more_at_once_but_not_more_than_processors()
    {
        var rule = Small(6);
        Assert.Equal([2, 4, 6, 6], Enumerable.Range(0, 4).Select(_ => After(rule, Long, used: 6)));
    }

    [Fact]
    public void After_a_standstill_there_are_not_to_be_fewer_for_a_while()
    {
        var rule = Small(2);
        rule.StandsStill();
        Assert.Equal(2, rule.Threads);
        Assert.All(Enumerable.Range(0, 25), _ => Assert.Equal(2, After(rule, Short, used: 0)));
        Assert.Equal(1, After(rule, Short, used: 0));
    }

    static PoolSizeRule Small(int processors)
    {
        var rule = new PoolSizeRule(processors);
        while (After(rule, Short, used: 0) > 1)
        {
        }

        return rule;
    }

    static int After(PoolSizeRule rule, TimeSpan wait, double used)
    {
        rule.Measured(wait, used);
        return rule.Threads;
    }
}
