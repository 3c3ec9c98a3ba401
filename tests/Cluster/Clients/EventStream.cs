namespace OrleansRealtime.Tests.Cluster.Clients;

/// <param name="Name">Null for one that only moves the id.</param>
/// <param name="Id">The last id that the stream has had.</param>
sealed record StreamEvent(string? Name, string Data, string? Id);

/// <summary>
/// Reads server-sent events (HTML Living Standard, section 9.2.6). Unlike .NET's parser it shows the ids of events without data, which
/// move an EventSource's last id as well, and it notices when not even comments come any more.
/// </summary>
sealed class EventStream(Stream stream, TimeSpan silence) : IDisposable
{
    readonly StreamReader _reader = new(stream);
    string? _id;

    /// <exception cref="IOException">The stream has ended, or nothing has come for too long.</exception>
    public async Task<StreamEvent> NextAsync(CancellationToken cancellationToken)
    {
        string? name = null, data = null;
        while (true)
        {
            string line = await ReadLineAsync(cancellationToken) ?? throw new IOException("the stream has ended");
            if (line.Length == 0)
            {
                if (data is not null || _id is not null)
                {
                    return new(data is null ? null : name ?? "message", data ?? "", _id);
                }

                continue;
            }

            int colon = line.IndexOf(':', StringComparison.Ordinal);
            string value = colon < 0 ? "" : line[(colon + 1)..].TrimStart(' ');
            switch (colon < 0 ? line : line[..colon])
            {
                case "event":
                    name = value;
                    break;
                case "data":
                    data = data is null ? value : data + "\n" + value;
                    break;
                case "id":
                    _id = value;
                    break;
            }
        }
    }

    public void Dispose() => _reader.Dispose();

    async Task<string?> ReadLineAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(silence);
        try
        {
            return await _reader.ReadLineAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"nothing has come for {silence.TotalSeconds} s");
        }
    }
}
