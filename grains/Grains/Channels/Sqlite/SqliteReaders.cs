using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>
/// A few connections that read beside the writer, on the thread pool. Few, because a read that finds its pages in memory is bound by
/// the processor, and one that does not by the disk.
/// </summary>
internal sealed class SqliteReaders(SqliteDatabase database) : IAsyncDisposable
{
    const int Connections = 2;

    readonly SemaphoreSlim _free = new(Connections);
    readonly ConcurrentBag<(SqliteConnection Connection, ChannelReader Reader)> _idle = [];
    bool _closed;

    public async Task<T> RunAsync<T>(Func<ChannelReader, T> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken);
        try
        {
            return await Task.Run(() => Read(read), cancellationToken);
        }
        catch (SqliteException e)
        {
            throw new ChannelUnavailableException("The message log could not be read.", e);
        }
        finally
        {
            _free.Release();
        }
    }

    /// <summary>Waits for the reads that are under way.</summary>
    public async ValueTask DisposeAsync()
    {
        for (int i = 0; i < Connections; i++)
        {
            await _free.WaitAsync();
        }

        _closed = true;
        while (_idle.TryTake(out var idle))
        {
            Close(idle.Connection, idle.Reader);
        }

        _free.Release(Connections);
    }

    static void Close(SqliteConnection connection, ChannelReader reader)
    {
        reader.Dispose();
        connection.Dispose();
    }

    T Read<T>(Func<ChannelReader, T> read)
    {
        if (_closed)
        {
            throw new ChannelUnavailableException("The message log is closed.");
        }

        if (!_idle.TryTake(out var lease))
        {
            SqliteConnection connection = database.OpenReader();
            lease = (connection, new(connection, inTransaction: false));
        }

        try
        {
            T result = read(lease.Reader);
            _idle.Add(lease);
            return result;
        }
        catch
        {
            // Whatever state it is in: the next read opens another.
            Close(lease.Connection, lease.Reader);
            throw;
        }
    }
}
