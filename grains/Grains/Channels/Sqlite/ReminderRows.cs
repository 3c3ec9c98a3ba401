using Microsoft.Data.Sqlite;

namespace OrleansRealtime.Channels.Sqlite;

/// <param name="Start">Ticks of the first time in UTC.</param>
/// <param name="Period">Ticks.</param>
internal readonly record struct ReminderRow(string Grain, string Name, uint Hash, long Start, long Period, long ETag);

/// <summary>Reminders on the writer's connection. A random number is the etag.</summary>
internal sealed class ReminderRows : IDisposable
{
    const string Columns = "SELECT grain, name, hash, start, period, etag FROM reminders";

    readonly SqliteStatement _one;
    readonly SqliteStatement _ofGrain;
    readonly SqliteStatement _between;
    readonly SqliteStatement _outside;
    readonly SqliteStatement _write;
    readonly SqliteStatement _delete;
    readonly SqliteStatement _clear;

    public ReminderRows(SqliteConnection connection)
    {
        _one = new(connection, Columns + " WHERE grain = ?1 AND name = ?2");
        _ofGrain = new(connection, Columns + " WHERE grain = ?1");
        _between = new(connection, Columns + " WHERE hash > ?1 AND hash <= ?2");
        _outside = new(connection, Columns + " WHERE hash > ?1 OR hash <= ?2");
        _write = new(connection, "INSERT OR REPLACE INTO reminders (grain, name, hash, start, period, etag) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        _delete = new(connection, "DELETE FROM reminders WHERE grain = ?1 AND name = ?2 AND etag = ?3");
        _clear = new(connection, "DELETE FROM reminders");
    }

    public ReminderRow? Read(string grain, string name) => Rows(_one.Bind(1, grain).Bind(2, name)) is [var row] ? row : null;

    public List<ReminderRow> Read(string grain) => Rows(_ofGrain.Bind(1, grain));

    /// <summary>Those whose hash is in (begin, end], a range of a ring: where it does not begin below its end it goes round.</summary>
    public List<ReminderRow> Read(uint begin, uint end) => Rows((begin < end ? _between : _outside).Bind(1, begin).Bind(2, end));

    /// <summary>Writes whatever was there before.</summary>
    public void Write(in ReminderRow row) =>
        _write.Bind(1, row.Grain).Bind(2, row.Name).Bind(3, row.Hash).Bind(4, row.Start).Bind(5, row.Period).Bind(6, row.ETag).Execute();

    /// <summary>Deletes where the stored etag is the expected one. Returns whether that was so.</summary>
    public bool Delete(string grain, string name, long etag) => _delete.Bind(1, grain).Bind(2, name).Bind(3, etag).Execute() > 0;

    public void Clear() => _clear.Execute();

    public void Dispose()
    {
        _one.Dispose();
        _ofGrain.Dispose();
        _between.Dispose();
        _outside.Dispose();
        _write.Dispose();
        _delete.Dispose();
        _clear.Dispose();
    }

    static List<ReminderRow> Rows(SqliteStatement query)
    {
        var rows = new List<ReminderRow>();
        while (query.Step())
        {
            rows.Add(new(query.Text(0)!, query.Text(1)!, (uint)query.Int64(2), query.Int64(3), query.Int64(4), query.Int64(5)));
        }

        query.Reset();
        return rows;
    }
}
