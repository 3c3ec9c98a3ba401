using CsCheck;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;

namespace OrleansRealtime.Tests.Channels;

public sealed class ChannelLogProperties
{
    /// <summary>Batches of message ids (0 stands for none), where a batch of no messages opens the log anew.</summary>
    static readonly Gen<int[][]> s_batches = Gen.Int[0, 12].Array[0, 6].Array[1, 12];

    [Fact]
    public async Task The_log_agrees_with_a_list_that_refuses_known_ids()
    {
        await using var services = new ServiceCollection()
            .AddLogging()
            .AddSqliteChannelStore(new ConfigurationBuilder().AddInMemoryCollection([new("Realtime:Store:DataFolder", ":memory:")]).Build())
            .BuildServiceProvider();
        var store = services.GetRequiredService<SqliteChannelStore>();
        store.Open();
        await s_batches.SampleAsync(async batches =>
        {
            var channel = ChannelId.User(Guid.NewGuid().ToString("n"));
            var model = new List<int>();
            var passedOn = new List<long>();
            var log = await OpenAsync(channel, store, passedOn);
            foreach (int[] batch in batches)
            {
                if (batch.Length == 0)
                {
                    log = await OpenAsync(channel, store, passedOn);
                    continue;
                }

                var results = await log.PublishAsync([.. batch.Select(id => new Publication("message", Payload.Null, "ann", id == 0 ? null : $"{id}"))]);
                for (int i = 0; i < batch.Length; i++)
                {
                    int known = batch[i] == 0 ? -1 : model.IndexOf(batch[i]);
                    if (known < 0)
                    {
                        model.Add(batch[i]);
                    }

                    Assert.Equal(known < 0 ? model.Count : known + 1, results[i].Offset);
                    Assert.Equal(known >= 0, results[i].Duplicate);
                }
            }

            Assert.Equal(Enumerable.Range(1, model.Count).Select(o => (long)o), passedOn);
            for (long after = 0; after <= model.Count; after++)
            {
                var page = await log.ReadAsync(new(new Cursor(log.Head.Epoch, after), null, 1000));
                Assert.True(page.Recovered);
                Assert.Equal(model.Skip((int)after).Select(id => id == 0 ? null : $"{id}"), page.Messages.Select(m => m.MessageId));
            }
        }, iter: 100);
    }

    static async Task<ChannelLog> OpenAsync(ChannelId channel, IChannelStore store, List<long> passedOn)
    {
        var log = new ChannelLog(
            channel, store, new ChannelOptions(), TimeProvider.System, (messages, _) => passedOn.AddRange(messages.Select(m => m.Offset)), () => { }, () => { });
        await log.OpenAsync(TestContext.Current.CancellationToken);
        return log;
    }
}
