using OrleansRealtime.Channels;

namespace OrleansRealtime.Tests.Channels;

public sealed class PresenceSetTests
{
    static readonly string[] s_keys = ["ann", "bob", "cat"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_has_what_was_put_last_for_each_key(int keys)
    {
        var random = new Random(keys);
        var set = new PresenceSet();
        var expected = new Dictionary<string, PresenceCount>();
        for (int i = 0; i < 1_000; i++)
        {
            var count = new PresenceCount(s_keys[random.Next(keys)], random.Next(3), "signalr");
            int before = expected.TryGetValue(count.Key, out var known) ? known.Connections : 0;
            expected.Remove(count.Key);
            if (count.Connections > 0)
            {
                expected.Add(count.Key, count);
            }

            Assert.Equal(before, set.Put(count));
            Assert.Equal(expected.Count, set.Count);
            Assert.Equal(expected.Values.OrderBy(c => c.Key), set.OrderBy(c => c.Key));
            foreach (string key in s_keys)
            {
                Assert.Equal(expected.TryGetValue(key, out known), set.TryGet(key, out var found));
                Assert.Equal(known, found);
            }
        }
    }
}
