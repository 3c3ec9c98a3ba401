using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;
using OrleansRealtime.Channels.Sqlite;

namespace OrleansRealtime.Tests.Channels;

public sealed class SqliteMemoryChannelStoreTests : ChannelStoreContract, IAsyncLifetime
{
    readonly SqliteChannelStore _store;

    public SqliteMemoryChannelStoreTests() => _store = SqliteChannelStoreTests.Create(SqliteOptions.InMemory, Time);

    private protected override IChannelStore Store => _store;

    public ValueTask InitializeAsync()
    {
        _store.Open();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();
}

public sealed class SqliteChannelStoreTests : ChannelStoreContract, IAsyncLifetime
{
    readonly string _folder = Directory.CreateTempSubdirectory("realtime-store-").FullName;
    SqliteChannelStore _store;

    public SqliteChannelStoreTests() => _store = Create(_folder, Time);

    private protected override IChannelStore Store => _store;

    string DatabaseFile => Path.Combine(_folder, "realtime.db");

    public ValueTask InitializeAsync()
    {
        _store.Open();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Everything_is_there_after_a_restart()
    {
        string epoch = await Open();
        await Append(epoch, [.. Enumerable.Range(1, 5_000).Select(i => Durable(i)), Latest("a", 1), Latest("b", 2)]);
        await Append(epoch, Durable(5_001));
        await Store.TrimAsync(Channel, epoch, new(4_000, TimeSpan.FromDays(1), long.MaxValue), Cancellation);
        await Append(epoch, Durable(5_002));

        await Reopen();

        Assert.Equal(new(epoch, 5_002, 1_002, 2), await Store.OpenAsync(Channel, Cancellation));
        Assert.Equal(Enumerable.Range(1_002, 4_001).Select(i => (long)i), Offsets(await Read(epoch)));
        Assert.Equal([1, 2], Offsets(await Store.ReadLatestAsync(Channel, epoch, 0, Cancellation)));
        await Append(epoch, Durable(5_003), Latest("a", 3));
    }

    [Fact]
    public async Task Reads_after_a_restart_see_what_was_written_last_before_anything_is_written()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2));

        await Reopen();

        Assert.Equal([1, 2], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task Reading_crosses_the_end_of_the_index_without_a_seam()
    {
        string epoch = await Open();
        ChannelId other = ChannelId.User("other");
        string otherEpoch = (await Store.OpenAsync(other, Cancellation)).Epoch;
        long offset = 0;
        for (int round = 0; round < 95; round++)
        {
            await Append(epoch, [.. Enumerable.Range(0, 50).Select(_ => Durable(++offset))]);
            await Store.AppendAsync(other, otherEpoch, [.. Enumerable.Range(1, 50).Select(i => Durable((round * 50) + i))], Cancellation);
            Assert.Equal(Enumerable.Range(1, (int)offset).Select(i => (long)i), Offsets(await Read(epoch)));
        }
    }

    [Fact]
    public async Task Trimmed_messages_leave_the_file()
    {
        string epoch = await Open();
        for (int i = 0; i < 10; i++)
        {
            await Append(epoch, [.. Enumerable.Range((i * 1_000) + 1, 1_000).Select(n => Durable(n))]);
        }

        await Store.TrimAsync(Channel, epoch, new(10, TimeSpan.FromDays(1), long.MaxValue), Cancellation);
        await Open();
        await Open();
        await _store.DisposeAsync();

        Assert.Equal(10, Count("messages"));
        Assert.Equal(10, Count("places"));
    }

    [Fact]
    public async Task What_a_crash_left_trimmed_but_not_deleted_leaves_the_file_later()
    {
        string epoch = await Open();
        await Append(epoch, [.. Enumerable.Range(1, 100).Select(n => Durable(n))]);
        await Store.TrimAsync(Channel, epoch, new(10, TimeSpan.FromDays(1), long.MaxValue), Cancellation);
        await Reopen();

        await Open();
        Assert.Equal(Enumerable.Range(91, 10).Select(i => (long)i), Offsets(await Read(epoch)));
        await _store.DisposeAsync();

        Assert.Equal(10, Count("messages"));
    }

    [Fact]
    public async Task A_failed_commit_fails_its_operations_and_the_next_ones_succeed()
    {
        string epoch = await Open();
        await Append(epoch, Durable(1), Durable(2));
        SqlOutside("CREATE TRIGGER full BEFORE INSERT ON messages BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END");

        await Assert.ThrowsAsync<ChannelUnavailableException>(() => Store.AppendAsync(Channel, epoch, [Durable(3)], Cancellation));
        Assert.Equal([1, 2], Offsets(await Read(epoch)));

        SqlOutside("DROP TRIGGER full");
        Assert.Equal(new(epoch, 2, 1, 0), await Store.OpenAsync(Channel, Cancellation));
        await Append(epoch, Durable(3));
        Assert.Equal([1, 2, 3], Offsets(await Read(epoch)));
    }

    [Fact]
    public async Task A_closed_store_is_unavailable()
    {
        await _store.DisposeAsync();

        await Assert.ThrowsAsync<ChannelUnavailableException>(() => Store.OpenAsync(Channel, Cancellation));
        await Assert.ThrowsAsync<ChannelUnavailableException>(() => Store.ReadAsync(Channel, "", 0, 1, 1, Cancellation));
    }

    [Fact]
    public async Task More_than_can_wait_is_refused_at_once()
    {
        string epoch = await Open();
        using var busy = new ManualResetEventSlim();
        Task<bool> blocker = _store.WriteAsync(_ => busy.Wait(TimeSpan.FromSeconds(30)), 0, Cancellation);
        Task<AppendOutcome>? refused = null;
        var waiting = new List<Task>();
        for (int i = 0; i < 100_000 && refused is null; i++)
        {
            Task<AppendOutcome> append = Store.AppendAsync(Channel, epoch, [Durable(99)], Cancellation);
            waiting.Add(append);
            refused = append.IsFaulted ? append : null;
        }

        Assert.NotNull(refused);
        await Assert.ThrowsAsync<ChannelUnavailableException>(() => refused);
        waiting.Remove(refused);
        busy.Set();
        Assert.True(await blocker);
        await Task.WhenAll(waiting);
        await Append(epoch, Durable(1));
    }

    [Fact]
    public async Task A_second_opener_is_refused()
    {
        await using SqliteChannelStore second = Create(_folder, Time);

        AssertRefused("in use by another process", second);
    }

    [Fact]
    public async Task A_file_that_is_not_a_database_stops_the_start()
    {
        await _store.DisposeAsync();
        await File.WriteAllTextAsync(DatabaseFile, new string('x', 10_000), Cancellation);
        _store = Create(_folder, Time);

        AssertRefused("is not a SQLite database", _store);
        Assert.Equal(10_000, new FileInfo(DatabaseFile).Length);
    }

    [Fact]
    public async Task A_damaged_file_stops_the_start()
    {
        await Append(await Open(), [.. Enumerable.Range(1, 1_000).Select(i => Durable(i))]);
        await _store.DisposeAsync();
        await using (FileStream file = File.OpenWrite(DatabaseFile))
        {
            file.Position = file.Length / 2;
            await file.WriteAsync(Enumerable.Repeat((byte)0xA5, 16_384).ToArray(), Cancellation);
        }

        _store = Create(_folder, Time);
        AssertRefused("is damaged", _store);
    }

    [Fact]
    public async Task A_database_of_another_application_stops_the_start_and_stays_as_it_is()
    {
        await _store.DisposeAsync();
        File.Delete(DatabaseFile);
        SqlOutside("CREATE TABLE theirs (id INTEGER PRIMARY KEY)");
        byte[] before = await File.ReadAllBytesAsync(DatabaseFile, Cancellation);
        _store = Create(_folder, Time);

        AssertRefused("of another application", _store);
        Assert.Equal(before, await File.ReadAllBytesAsync(DatabaseFile, Cancellation));
    }

    [Fact]
    public async Task A_database_of_a_newer_version_stops_the_start()
    {
        await _store.DisposeAsync();
        SqlOutside("PRAGMA user_version = 2");
        _store = Create(_folder, Time);

        AssertRefused("newer version", _store);
    }

    [Fact]
    public async Task A_database_that_lacks_a_table_stops_the_start()
    {
        await _store.DisposeAsync();
        SqlOutside("DROP TABLE places");
        _store = Create(_folder, Time);

        AssertRefused("cannot be opened", _store);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_created_stops_the_start()
    {
        // Below a regular file: not even root can.
        await using SqliteChannelStore store = Create(Path.Combine(DatabaseFile, "below"), Time);

        AssertRefused("cannot be created", store);
    }

    [Fact]
    public void Options_that_make_no_sense_name_the_setting()
    {
        var validator = new SqliteOptionsValidator();

        string? folder = validator.Validate(null, new() { DataFolder = " " }).FailureMessage;
        string? synchronous = validator.Validate(null, new() { Synchronous = (SqliteSynchronous)7 }).FailureMessage;

        Assert.Contains("Realtime:Store:DataFolder", folder, StringComparison.Ordinal);
        Assert.Contains("Realtime:Store:Synchronous", synchronous, StringComparison.Ordinal);
        Assert.True(validator.Validate(null, new()).Succeeded);
    }

    internal static SqliteChannelStore Create(string folder, TimeProvider time) =>
        new(Options.Create(new SqliteOptions { DataFolder = folder }), time, NullLogger<SqliteChannelStore>.Instance);

    static void AssertRefused(string why, SqliteChannelStore store)
    {
        string message = Assert.Throws<ChannelStoreStartupException>(store.Open).Message;
        Assert.Contains(why, message, StringComparison.Ordinal);
        Assert.Contains("Realtime:Store:DataFolder", message, StringComparison.Ordinal);
        Assert.Contains("realtime", message, StringComparison.Ordinal);
    }

    async Task Reopen()
    {
        await _store.DisposeAsync();
        _store = Create(_folder, Time);
        _store.Open();
    }

    void SqlOutside(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={DatabaseFile};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    long Count(string table)
    {
        using var connection = new SqliteConnection($"Data Source={DatabaseFile};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
#pragma warning disable CA2100
        command.CommandText = $"SELECT count(*) FROM {table}";
#pragma warning restore CA2100
        return (long)command.ExecuteScalar()!;
    }
}
