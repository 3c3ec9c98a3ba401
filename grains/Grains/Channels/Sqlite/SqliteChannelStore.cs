using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>
/// The logs of a single process, in one SQLite file. A cancellation is heeded until an operation is queued; after that its outcome is
/// what counts. <see cref="Open"/> comes first.
/// </summary>
internal sealed class SqliteChannelStore(IOptions<SqliteOptions> options, TimeProvider time, ILogger<SqliteChannelStore> logger)
    : IChannelStore, IAsyncDisposable
{
    readonly SqliteOptions _options = options.Value;
    readonly Lock _gate = new();
    SqliteDatabase? _database;
    SqliteTables? _tables;
    SqliteWriter? _writer;

    /// <summary>Null in memory, where reads go through the writer.</summary>
    SqliteReaders? _readers;

    /// <summary>The reader on the writer's connection, in memory only.</summary>
    ChannelReader? _inMemory;

    bool _disposed;

    SqliteWriter Writer => _writer ?? throw new ChannelUnavailableException("The message log is not open yet.");

    public bool IsAvailable => _writer is not null && !_disposed;

    /// <exception cref="ChannelStoreStartupException">The file cannot be used.</exception>
    public void Open()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_writer is not null)
            {
                return;
            }

            _database = SqliteDatabase.Open(_options);
            try
            {
                _tables = new(new(_database.Connection, time), new(_database.Connection), new(_database.Connection));
                if (_database.InMemory)
                {
                    _inMemory = new(_database.Connection, inTransaction: true);
                }
                else
                {
                    _readers = new(_database);
                }

                _writer = new(_database.Connection, _tables, logger);
            }
            catch (SqliteException e)
            {
                // The file is marked as ours and yet lacks a table.
                throw _database.Unusable(e);
            }
        }
    }

    public Task<StoredChannel> OpenAsync(ChannelId channel, CancellationToken cancellationToken = default) =>
        WriteAsync(tables => tables.Channels.Open(channel), 0, cancellationToken);

    public Task<AppendOutcome> AppendAsync(
        ChannelId channel, string epoch, IReadOnlyList<Message> messages, CancellationToken cancellationToken = default)
    {
        int bytes = 0;
        foreach (Message message in messages)
        {
            bytes += message.Size;
            if (message is { Delivery: Delivery.Transient } or { Delivery: Delivery.Latest, Key: null })
            {
                throw new ArgumentException("A log keeps durable messages, and latest values that have a key.", nameof(messages));
            }
        }

        return WriteAsync(tables => tables.Channels.Append(channel, epoch, messages), bytes, cancellationToken);
    }

    public Task<IReadOnlyList<Message>> ReadAsync(
        ChannelId channel, string epoch, long after, int maxCount, int maxBytes, CancellationToken cancellationToken = default)
    {
        if (maxCount <= 0)
        {
            return Task.FromResult<IReadOnlyList<Message>>([]);
        }

        return ReadAsync(
            reader => reader.Read(channel, epoch, after, maxCount, maxBytes, _tables!.Channels.MayBeUnindexed(channel)), cancellationToken);
    }

    public Task<IReadOnlyList<Message>> ReadLatestAsync(
        ChannelId channel, string epoch, long afterRevision, CancellationToken cancellationToken = default) =>
        ReadAsync(reader => reader.ReadLatest(channel, epoch, afterRevision), cancellationToken);

    public Task<StoredChannel> RenewAsync(ChannelId channel, string epoch, CancellationToken cancellationToken = default) =>
        WriteAsync(tables => tables.Channels.Renew(channel, epoch), 0, cancellationToken);

    public Task<long> TrimAsync(ChannelId channel, string epoch, Retention retention, CancellationToken cancellationToken = default) =>
        WriteAsync(tables => tables.Channels.Trim(channel, epoch, retention), 0, cancellationToken);

    /// <summary>Runs on the writer's thread, as part of its next transaction. See <see cref="SqliteWriter.RunAsync"/>.</summary>
    public Task<T> WriteAsync<T>(Func<SqliteTables, T> write, int bytes, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? Task.FromCanceled<T>(cancellationToken) : Writer.RunAsync(write, bytes);

    /// <summary>Commits what was accepted, then closes the file.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        _writer?.Dispose();
        if (_readers is not null)
        {
            await _readers.DisposeAsync();
        }

        _inMemory?.Dispose();
        _tables?.Channels.Dispose();
        _tables?.GrainState.Dispose();
        _tables?.Reminders.Dispose();
        _database?.Dispose();
    }

    Task<T> ReadAsync<T>(Func<ChannelReader, T> read, CancellationToken cancellationToken) =>
        _readers is null
            ? WriteAsync(_ => read(_inMemory!), 0, cancellationToken)
            : _readers.RunAsync(read, cancellationToken);
}
