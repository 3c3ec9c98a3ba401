using Microsoft.Data.Sqlite;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>Grain state on the writer's connection. A version number is the etag; 0 stands for a state that does not exist.</summary>
internal sealed class GrainStateTable : IDisposable
{
    readonly SqliteStatement _read;
    readonly SqliteStatement _write;
    readonly SqliteStatement _delete;

    public GrainStateTable(SqliteConnection connection)
    {
        _read = new(connection, "SELECT etag, data FROM grain_state WHERE name = ?1 AND grain = ?2");
        _write = new(connection, "INSERT OR REPLACE INTO grain_state (name, grain, etag, data) VALUES (?1, ?2, ?3, ?4)");
        _delete = new(connection, "DELETE FROM grain_state WHERE name = ?1 AND grain = ?2");
    }

    public (long ETag, byte[]? Data) Read(string name, string grain)
    {
        (long, byte[]?) found = _read.Bind(1, name).Bind(2, grain).Step() ? (_read.Int64(0), _read.Blob(1)) : (0, null);
        _read.Reset();
        return found;
    }

    /// <summary>Writes where the stored etag is the expected one. Returns the etag that is stored now, and whether that was so.</summary>
    public (long ETag, bool Written) Write(string name, string grain, long expected, long next, byte[] data)
    {
        long stored = Read(name, grain).ETag;
        if (stored != expected)
        {
            return (stored, false);
        }

        _write.Bind(1, name).Bind(2, grain).Bind(3, next).Bind(4, data).Execute();
        return (next, true);
    }

    public (long ETag, bool Written) Delete(string name, string grain, long expected)
    {
        long stored = Read(name, grain).ETag;
        if (stored != expected)
        {
            return (stored, false);
        }

        _delete.Bind(1, name).Bind(2, grain).Execute();
        return (0, true);
    }

    public void Dispose()
    {
        _read.Dispose();
        _write.Dispose();
        _delete.Dispose();
    }
}
