namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// Connections that have been given something while one batch from the mailbox was handled. They are written to when all of it has
/// been handed out, so that a connection gets what is for it in one write.
/// </summary>
sealed class FanoutBatch
{
    /// <summary>Connections that one worker writes to: enough to be worth a worker.</summary>
    const int ShareOfWorker = 128;

    readonly List<ClientConnection> _connections = [];

    public void Add(ClientConnection connection) => _connections.Add(connection);

    /// <summary>
    /// Writes, on several threads where there is much to write. Completes when each connection has been written to or has turned out
    /// not to take more for now: the mailbox is not read faster than this gateway can write, but it never waits for a client.
    /// </summary>
    public Task WriteAsync()
    {
        int workers = Math.Min(Environment.ProcessorCount, _connections.Count / ShareOfWorker);
        if (workers < 2)
        {
            WriteShare(0, _connections.Count);
            _connections.Clear();
            return Task.CompletedTask;
        }

        return WriteInParallelAsync(workers);
    }

    async Task WriteInParallelAsync(int workers)
    {
        int share = (_connections.Count + workers - 1) / workers;
        var tasks = new Task[workers - 1];
        for (int i = 1; i < workers; i++)
        {
            int from = i * share, to = Math.Min(from + share, _connections.Count);
            tasks[i - 1] = Task.Run(() => WriteShare(from, to));
        }

        WriteShare(0, share);
        await Task.WhenAll(tasks);
        _connections.Clear();
    }

    void WriteShare(int from, int to)
    {
        for (int i = from; i < to; i++)
        {
            _connections[i].Write();
        }
    }
}
