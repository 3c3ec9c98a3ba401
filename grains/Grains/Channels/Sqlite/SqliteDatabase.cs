using System.Globalization;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>The database file: opened, checked, and held by this process alone until it is disposed.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    const string FileName = "realtime.db";
    const string LockName = "realtime.lock";
    const string Setting = SqliteOptions.Section + ":" + nameof(SqliteOptions.DataFolder);

    /// <summary>"ORRT": marks the file as ours.</summary>
    const long ApplicationId = 0x4F525254;

    const long SchemaVersion = 1;

    /// <summary>
    /// Messages lie in the order in which they were committed, whatever their channel, so that a transaction over a hundred channels
    /// writes a few full pages and not a hundred: written pages are what appending costs. <c>places</c> is the index by channel. It is
    /// filled in bulk, for the same reason; messages above <c>progress.indexed</c> are not in it yet. See <see cref="ChannelTables"/>.
    /// <c>channels.head</c> and <c>revision</c> are as of the last trim: the newest message kept may be ahead of them.
    /// <c>total</c> is the running sum of message sizes, <c>base</c> that sum before <c>first</c>.
    /// </summary>
    const string Schema = """
        CREATE TABLE channels (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch TEXT NOT NULL,
            head INTEGER NOT NULL DEFAULT 0, first INTEGER NOT NULL DEFAULT 1, base INTEGER NOT NULL DEFAULT 0,
            revision INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE messages (
            seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, offset INTEGER NOT NULL, total INTEGER NOT NULL,
            time INTEGER NOT NULL, kind INTEGER NOT NULL, event TEXT NOT NULL, sender TEXT, message_id TEXT, key TEXT, data BLOB NOT NULL);
        CREATE TABLE places (
            channel INTEGER NOT NULL, offset INTEGER NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, total INTEGER NOT NULL,
            PRIMARY KEY (channel, offset)) WITHOUT ROWID;
        CREATE TABLE latest (
            channel INTEGER NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, time INTEGER NOT NULL, kind INTEGER NOT NULL,
            event TEXT NOT NULL, sender TEXT, message_id TEXT, data BLOB NOT NULL,
            PRIMARY KEY (channel, key)) WITHOUT ROWID;
        CREATE TABLE grain_state (
            name TEXT NOT NULL, grain TEXT NOT NULL, etag INTEGER NOT NULL, data BLOB NOT NULL,
            PRIMARY KEY (name, grain)) WITHOUT ROWID;
        CREATE TABLE progress (indexed INTEGER NOT NULL);
        INSERT INTO progress VALUES (0);
        """;

    /// <summary>
    /// Came after the others, and needs nothing of them. So it is no new version: it is made where it is not there, and a program that does not know it
    /// leaves it alone. <c>start</c> and <c>period</c> are ticks of 100 ns.
    /// </summary>
    const string Reminders = """
        CREATE TABLE IF NOT EXISTS reminders (
            grain TEXT NOT NULL, name TEXT NOT NULL, hash INTEGER NOT NULL, start INTEGER NOT NULL, period INTEGER NOT NULL, etag INTEGER NOT NULL,
            PRIMARY KEY (grain, name)) WITHOUT ROWID;
        """;

    readonly string? _file;
    readonly FileStream? _lock;

    SqliteDatabase(string? file, FileStream? fileLock)
    {
        _file = file;
        _lock = fileLock;
    }

    public bool InMemory => _file is null;

    /// <summary>The connection of the writer. In memory it is the only one there is.</summary>
    public SqliteConnection Connection { get; private set; } = null!;

    /// <exception cref="ChannelStoreStartupException">The file cannot be used, and nothing was changed.</exception>
    public static SqliteDatabase Open(SqliteOptions options)
    {
        SqliteDatabase database;
        if (options.DataFolder == SqliteOptions.InMemory)
        {
            database = new(null, null);
        }
        else
        {
            string folder = CreateFolder(options.DataFolder);
            database = new(Path.Combine(folder, FileName), Lock(folder));
        }

        try
        {
            database.Connection = database.Connect(readOnly: false);
            database.Prepare(options.Synchronous);
            return database;
        }
        catch (SqliteException e)
        {
            database.Dispose();
            throw database.Unusable(e);
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    public SqliteConnection OpenReader() => Connect(readOnly: true);

    public void Dispose()
    {
        // The last connection that closes moves the write-ahead log into the file; only then may another process have it.
        Connection?.Dispose();
        _lock?.Dispose();
    }

    static string CreateFolder(string setting)
    {
        try
        {
            return Directory.CreateDirectory(Path.GetFullPath(setting)).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new ChannelStoreStartupException(
                $"The folder '{setting}' for the message log cannot be created: "
                + $"set {Setting} to a folder that this process may write to. {e.Message}",
                e);
        }
    }

    /// <summary>The operating system gives the lock back however the process ends, so what a killed process leaves is no obstacle.</summary>
    static FileStream Lock(string folder)
    {
        string path = Path.Combine(folder, LockName);
        try
        {
            return new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (IOException e) when (IsHeldByAnother(e))
        {
            throw new ChannelStoreStartupException(
                $"The message log '{Path.Combine(folder, FileName)}' is in use by another process: "
                + $"stop that one, or set {Setting} to a folder of its own.",
                e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelStoreStartupException(
                $"The folder '{folder}' of the message log cannot be written to: "
                + $"set {Setting} to a folder that this process may write to. {e.Message}",
                e);
        }
    }

    /// <summary>EWOULDBLOCK of Linux and of macOS, and Windows' ERROR_SHARING_VIOLATION.</summary>
    static bool IsHeldByAnother(IOException e) => e.HResult is 11 or 35 or unchecked((int)0x80070020);

    SqliteConnection Connect(bool readOnly)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = _file ?? SqliteOptions.InMemory,
            Mode = readOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate,
            Pooling = false,
        }.ToString());
        try
        {
            connection.Open();
            _ = raw.sqlite3_busy_timeout(connection.Handle, 5_000);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    void Prepare(SqliteSynchronous synchronous)
    {
        // Before anything is written: the file may be somebody else's.
        long application = Number("PRAGMA application_id");
        long version = Number("PRAGMA user_version");
        bool isNew = application == 0 && version == 0 && Number("SELECT count(*) FROM sqlite_master") == 0;
        if (!isNew && application != ApplicationId)
        {
            throw new ChannelStoreStartupException(
                $"'{_file}' is a database of another application: set {Setting} to a folder of its own, or move the file away.");
        }

        if (version > SchemaVersion)
        {
            throw new ChannelStoreStartupException(
                string.Create(CultureInfo.InvariantCulture, $"'{_file}' was written by a newer version (schema {version}, ")
                + string.Create(CultureInfo.InvariantCulture, $"this one knows {SchemaVersion}): ")
                + $"run that version, or set {Setting} to another folder.");
        }

        if (!isNew && Text("PRAGMA quick_check(1)") is var verdict and not "ok")
        {
            throw Damaged(verdict, null);
        }

        // 16 MiB of log between checkpoints: a page that changes often is then written to the file once, not every time.
        Execute($"""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = {(synchronous == SqliteSynchronous.Full ? "FULL" : "NORMAL")};
            PRAGMA wal_autocheckpoint = 4096;
            PRAGMA journal_size_limit = 67108864;
            PRAGMA cache_size = -65536;
            """);
        if (isNew)
        {
            Execute($"BEGIN IMMEDIATE; {Schema} PRAGMA application_id = {ApplicationId}; PRAGMA user_version = {SchemaVersion}; COMMIT;");
        }

        Execute(Reminders);
    }

    /// <summary>What to tell whoever starts the process.</summary>
    public ChannelStoreStartupException Unusable(SqliteException e) => e.SqliteErrorCode switch
    {
        raw.SQLITE_NOTADB => new($"'{_file}' is not a SQLite database: move it away, or set {Setting} to another folder.", e),
        raw.SQLITE_CORRUPT => Damaged(e.Message, e),
        _ => new(
            $"The message log '{_file}' cannot be opened: "
            + $"see that this process may write to it, or set {Setting} to another folder. {e.Message}",
            e),
    };

    ChannelStoreStartupException Damaged(string verdict, Exception? inner) =>
        new(
            $"The message log '{_file}' is damaged: restore a backup, or move the file away to begin with an empty log, "
            + $"or set {Setting} to another folder. SQLite says: {verdict}",
            inner);

    void Execute(string sql)
    {
        using SqliteCommand command = Connection.CreateCommand();
#pragma warning disable CA2100 // All of it is written above.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    long Number(string sql)
    {
        using var statement = new SqliteStatement(Connection, sql);
        return statement.Step() ? statement.Int64(0) : 0;
    }

    string Text(string sql)
    {
        using var statement = new SqliteStatement(Connection, sql);
        return statement.Step() ? statement.Text(0) ?? "" : "";
    }
}
