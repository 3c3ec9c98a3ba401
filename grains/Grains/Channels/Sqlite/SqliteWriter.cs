using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>
/// Group commit: one thread takes everything that is waiting and commits it as one transaction, so that the price of a commit is
/// shared by all channels that write at the moment. While it commits, the next transaction gathers.
/// </summary>
internal sealed partial class SqliteWriter : IDisposable
{
    /// <summary>Bounds a transaction, and with it how long the last of its operations waits.</summary>
    const int TransactionOperations = 2_000;

    const long TransactionBytes = 8 << 20;

    /// <summary>Bounds what waits. At 50,000 operations a second it is a third of a second's worth.</summary>
    const int QueueOperations = 16_384;

    const long QueueBytes = 64 << 20;

    readonly object _gate = new();
    readonly Queue<Operation> _queue = new();
    readonly List<Operation> _transaction = new(TransactionOperations);
    readonly SqliteTables _tables;
    readonly SqliteStatement _begin;
    readonly SqliteStatement _commit;
    readonly SqliteStatement _rollback;
    readonly ILogger _logger;
    readonly Thread _thread;
    long _queuedBytes;
    bool _closed;

    public SqliteWriter(SqliteConnection connection, SqliteTables tables, ILogger logger)
    {
        _tables = tables;
        _logger = logger;
        _begin = new(connection, "BEGIN IMMEDIATE");
        _commit = new(connection, "COMMIT");
        _rollback = new(connection, "ROLLBACK");
        _thread = new(Run) { IsBackground = true, Name = "realtime-store" };
        _thread.Start();
    }

    /// <summary>
    /// Runs on the writer's thread; completes once it is committed. What it does must either succeed or throw before its first write
    /// has been made: an exception fails the whole transaction.
    /// </summary>
    /// <param name="run">What to do.</param>
    /// <param name="bytes">What it keeps in memory while it waits, roughly.</param>
    /// <exception cref="ChannelUnavailableException">Too much is waiting, the store is closed, or the commit failed.</exception>
    public Task<T> RunAsync<T>(Func<SqliteTables, T> run, int bytes = 0)
    {
        var operation = new Operation<T>(run, bytes);
        lock (_gate)
        {
            if (_closed)
            {
                return Task.FromException<T>(new ChannelUnavailableException("The message log is closed."));
            }

            if (_queue.Count >= QueueOperations || _queuedBytes > QueueBytes)
            {
                return Task.FromException<T>(new ChannelUnavailableException("The message log has more to write than it can keep up with."));
            }

            _queue.Enqueue(operation);
            _queuedBytes += bytes;
            if (_queue.Count == 1)
            {
                Monitor.Pulse(_gate);
            }
        }

        return operation.Task;
    }

    /// <summary>Commits what is waiting, and takes no more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join();
        _begin.Dispose();
        _commit.Dispose();
        _rollback.Dispose();
    }

    void Run()
    {
        while (Take())
        {
            Exception? error = null;
            try
            {
                _tables.Channels.RecoverIfNeeded(Transact);
                Transact(RunAll);
            }
#pragma warning disable CA1031 // Whatever it is, the operations are told and the next ones get their chance.
            catch (Exception e)
#pragma warning restore CA1031
            {
                error = e;
                LogFailed(_logger, _transaction.Count, e);
            }

            foreach (Operation operation in _transaction)
            {
                operation.Finish(error);
            }

            _transaction.Clear();
            Maintain();
        }
    }

    void RunAll()
    {
        foreach (Operation operation in _transaction)
        {
            operation.Run(_tables);
        }
    }

    /// <summary>After the answers are out: nobody who has been served waits for it.</summary>
    void Maintain()
    {
        try
        {
            _tables.Channels.Maintain(Transact);
        }
#pragma warning disable CA1031 // It is tried again after the next transaction.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogMaintenanceFailed(_logger, e);
        }
    }

    void Transact(Action work)
    {
        try
        {
            _begin.Execute();
            work();
            _commit.Execute();
        }
        catch
        {
            RollBack();
            throw;
        }

        _tables.Channels.Committed();
    }

    void RollBack()
    {
        _tables.Channels.Forget();
        try
        {
            _rollback.Execute();
        }
        catch (SqliteException)
        {
            // After some errors, a full disk for one, SQLite has rolled back by itself.
        }
    }

    bool Take()
    {
        lock (_gate)
        {
            while (_queue.Count == 0)
            {
                if (_closed)
                {
                    return false;
                }

                Monitor.Wait(_gate);
            }

            long bytes = 0;
            while (_transaction.Count < TransactionOperations && bytes < TransactionBytes && _queue.TryDequeue(out Operation? operation))
            {
                _transaction.Add(operation);
                bytes += operation.Bytes;
            }

            _queuedBytes -= bytes;
            return true;
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The message log could not commit {Count} operations; they are refused as unavailable")]
    static partial void LogFailed(ILogger logger, int count, Exception exception);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message log could not be tidied up; it is tried again")]
    static partial void LogMaintenanceFailed(ILogger logger, Exception exception);

    abstract class Operation(int bytes)
    {
        public int Bytes { get; } = bytes;

        public abstract void Run(SqliteTables tables);

        public abstract void Finish(Exception? error);
    }

    sealed class Operation<T>(Func<SqliteTables, T> run, int bytes) : Operation(bytes)
    {
        readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        T _result = default!;

        public Task<T> Task => _completion.Task;

        public override void Run(SqliteTables tables) => _result = run(tables);

        public override void Finish(Exception? error)
        {
            if (error is null)
            {
                _completion.SetResult(_result);
            }
            else
            {
                _completion.SetException(new ChannelUnavailableException("The message log could not be written.", error));
            }
        }
    }
}

/// <summary>The tables as the writer's connection sees them.</summary>
internal sealed record SqliteTables(ChannelTables Channels, GrainStateTable GrainState, ReminderRows Reminders);
