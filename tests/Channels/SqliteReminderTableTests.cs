using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels.Sqlite;

namespace OrleansRealtime.Tests.Channels;

public sealed class SqliteReminderTableTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("realtime-store-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Reminders_survive_a_restart_and_are_replaced_and_removed_by_their_etags()
    {
        var (one, two) = (Entry("one"), Entry("two"));
        string? etag;
        await using (var store = Open())
        {
            var table = new SqliteReminderTable(store.GetRequiredService<SqliteChannelStore>());
            string? first = await table.UpsertRow(one);
            await table.UpsertRow(two);
            one.Period = TimeSpan.FromMinutes(3);
            etag = await table.UpsertRow(one);
            Assert.NotEqual(first, etag);
            Assert.False(await table.RemoveRow(one.GrainId, one.ReminderName, first!));
        }

        await using var again = Open();
        var kept = new SqliteReminderTable(again.GetRequiredService<SqliteChannelStore>());
        var read = await kept.ReadRow(one.GrainId, one.ReminderName);
        Assert.Equal((one.GrainId, one.ReminderName, one.StartAt, one.Period, etag), (read!.GrainId, read.ReminderName, read.StartAt, read.Period, read.ETag));
        Assert.Equal(DateTimeKind.Utc, read.StartAt.Kind);
        Assert.Equal(etag, Assert.Single((await kept.ReadRows(one.GrainId)).Reminders).ETag);
        Assert.True(await kept.RemoveRow(one.GrainId, one.ReminderName, etag!));
        Assert.False(await kept.RemoveRow(one.GrainId, one.ReminderName, etag!));
        Assert.Null(await kept.ReadRow(one.GrainId, one.ReminderName));
        Assert.Empty((await kept.ReadRows(one.GrainId)).Reminders);
        Assert.Equal(two.GrainId, Assert.Single((await kept.ReadRows(0, 0)).Reminders).GrainId);
        await kept.TestOnlyClearTable();
        Assert.Empty((await kept.ReadRows(0, 0)).Reminders);
    }

    [Fact]
    public async Task A_range_goes_round_the_ring_and_has_its_end_but_not_its_beginning()
    {
        await using var store = Open();
        var table = new SqliteReminderTable(store.GetRequiredService<SqliteChannelStore>());
        uint[] hashes = [.. Enumerable.Range(0, 20).Select(i => Entry($"{i}").GrainId.GetUniformHashCode()).Order()];
        for (int i = 0; i < 20; i++)
        {
            await table.UpsertRow(Entry($"{i}"));
        }

        uint[] within = hashes[4..11], outside = [.. hashes[..4], .. hashes[11..]];
        Assert.Equal(within, await ReadAsync(hashes[3], hashes[10]));
        Assert.Equal(outside, await ReadAsync(hashes[10], hashes[3]));
        Assert.Equal(hashes, await ReadAsync(hashes[5], hashes[5]));
        Assert.Equal(hashes, await ReadAsync(uint.MaxValue, uint.MaxValue));

        async Task<uint[]> ReadAsync(uint begin, uint end) => [.. (await table.ReadRows(begin, end)).Reminders.Select(r => r.GrainId.GetUniformHashCode()).Order()];
    }

    [Fact]
    public async Task A_database_of_before_gets_the_table()
    {
        await Open().DisposeAsync();
        await using (var connection = new SqliteConnection($"Data Source={Path.Combine(_folder, "realtime.db")};Pooling=False"))
        {
            connection.Open();
            using var drop = connection.CreateCommand();
            drop.CommandText = "DROP TABLE reminders";
            drop.ExecuteNonQuery();
        }

        await using var store = Open();
        var table = new SqliteReminderTable(store.GetRequiredService<SqliteChannelStore>());
        Assert.NotNull(await table.UpsertRow(Entry("one")));
    }

    static ReminderEntry Entry(string key) => new()
    {
        GrainId = GrainId.Create("job", key),
        ReminderName = "job",
        StartAt = new DateTime(2026, 11, 24, 21, 0, 0, DateTimeKind.Utc),
        Period = TimeSpan.FromSeconds(20),
    };

    ServiceProvider Open()
    {
        var services = new ServiceCollection()
            .AddLogging()
            .AddSqliteChannelStore(new ConfigurationBuilder().AddInMemoryCollection([new("Realtime:Store:DataFolder", _folder)]).Build())
            .BuildServiceProvider();
        services.GetRequiredService<SqliteChannelStore>().Open();
        return services;
    }
}
