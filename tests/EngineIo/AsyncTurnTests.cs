using OrleansRealtime.Gateway.EngineIo;

namespace OrleansRealtime.Tests.EngineIo;

public sealed class AsyncTurnTests
{
    readonly AsyncTurn _turn = new();

    [Fact]
    public async Task Those_who_wait_come_in_the_order_in_which_they_asked()
    {
        Assert.True(_turn.TryEnter());
        var second = _turn.EnterAsync();
        var third = _turn.EnterAsync();
        Assert.True(_turn.IsWanted);
        Assert.False(_turn.TryEnter());

        _turn.Leave();
        await second;
        Assert.True(_turn.IsWanted);
        Assert.False(third.IsCompleted);

        _turn.Leave();
        await third;
        Assert.False(_turn.IsWanted);
        Assert.False(_turn.TryEnter());

        _turn.Leave();
        Assert.True(_turn.TryEnter());
    }

    [Fact]
    public async Task However_many_come_at_once_each_is_in_alone()
    {
        const int rounds = 20_000;
        int inside = 0, entered = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(number => Task.Run(async () =>
        {
            for (int i = 0; i < rounds; i++)
            {
                if ((i + number) % 2 == 0)
                {
                    await _turn.EnterAsync();
                }
                else if (!_turn.TryEnter())
                {
                    continue;
                }

                Assert.Equal(1, Interlocked.Increment(ref inside));
                entered++;
                Interlocked.Decrement(ref inside);
                _turn.Leave();
            }
        })));
        Assert.InRange(entered, 8 * rounds / 2, 8 * rounds);
        Assert.True(_turn.TryEnter());
    }
}
