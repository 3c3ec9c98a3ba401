using System.Globalization;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>Orleans' reminders in the database of the message log, so that a single process has them again after a restart.</summary>
internal sealed class SqliteReminderTable(SqliteChannelStore store) : IReminderTable
{
    // The silo has opened the store before anything else.
    public Task Init() => Task.CompletedTask;

    public async Task<ReminderTableData> ReadRows(GrainId grainId)
    {
        string grain = grainId.ToString();
        return Data(await store.WriteAsync(tables => tables.Reminders.Read(grain), 0, CancellationToken.None));
    }

    public async Task<ReminderTableData> ReadRows(uint begin, uint end) =>
        Data(await store.WriteAsync(tables => tables.Reminders.Read(begin, end), 0, CancellationToken.None));

    public async Task<ReminderEntry?> ReadRow(GrainId grainId, string reminderName)
    {
        string grain = grainId.ToString();
        return await store.WriteAsync(tables => tables.Reminders.Read(grain, reminderName), 0, CancellationToken.None) is { } row ? Entry(row) : null;
    }

    public async Task<string?> UpsertRow(ReminderEntry entry)
    {
        var row = new ReminderRow(
            entry.GrainId.ToString(),
            entry.ReminderName,
            entry.GrainId.GetUniformHashCode(),
            entry.StartAt.Ticks,
            entry.Period.Ticks,
            Random.Shared.NextInt64(1, long.MaxValue));
        await store.WriteAsync(
            tables =>
            {
                tables.Reminders.Write(row);
                return true;
            },
            0,
            CancellationToken.None);
        return Format(row.ETag);
    }

    public Task<bool> RemoveRow(GrainId grainId, string reminderName, string eTag)
    {
        string grain = grainId.ToString();
        return long.TryParse(eTag, NumberStyles.None, CultureInfo.InvariantCulture, out long etag)
            ? store.WriteAsync(tables => tables.Reminders.Delete(grain, reminderName, etag), 0, CancellationToken.None)
            : Task.FromResult(false);
    }

    public Task TestOnlyClearTable() => store.WriteAsync(
        tables =>
        {
            tables.Reminders.Clear();
            return true;
        },
        0,
        CancellationToken.None);

    static ReminderTableData Data(List<ReminderRow> rows) => new(rows.Select(Entry));

    static ReminderEntry Entry(ReminderRow row) => new()
    {
        GrainId = GrainId.Parse(row.Grain),
        ReminderName = row.Name,
        StartAt = new DateTime(row.Start, DateTimeKind.Utc),
        Period = new TimeSpan(row.Period),
        ETag = Format(row.ETag),
    };

    static string Format(long etag) => etag.ToString(CultureInfo.InvariantCulture);
}
