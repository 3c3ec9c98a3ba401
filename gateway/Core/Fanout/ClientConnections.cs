using System.Collections.Concurrent;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>All connections of this gateway, whatever their transport, and the end of their tokens.</summary>
sealed class ClientConnections(GatewayMetrics metrics, TimeProvider time)
{
    /// <summary>How often some are sent away while the gateway shuts down.</summary>
    static readonly TimeSpan DrainStep = TimeSpan.FromMilliseconds(100);

    readonly ConcurrentDictionary<string, ClientConnection> _connections = new();

    /// <summary>The connections whose tokens run out in a second of Unix time. Guarded by itself.</summary>
    readonly SortedDictionary<long, HashSet<ClientConnection>> _expiries = [];

    /// <summary>Whether no connection is taken any more.</summary>
    public bool IsShuttingDown { get; private set; }

    public int Count => _connections.Count;

    public ClientConnection? Find(string id) => _connections.GetValueOrDefault(id);

    public void Add(ClientConnection connection)
    {
        _connections[connection.Id] = connection;
        connection.Totals = metrics.Totals;
        metrics.Opened(connection);
        lock (_expiries)
        {
            Watch(connection);
        }

        if (IsShuttingDown)
        {
            connection.Close(CloseReason.ShuttingDown);
        }
    }

    public void Remove(ClientConnection connection)
    {
        if (_connections.TryRemove(new(connection.Id, connection)))
        {
            metrics.Closed(connection);
        }

        lock (_expiries)
        {
            Unwatch(connection);
        }
    }

    /// <summary>Takes a new token: it says from now on what the connection may do, and for how long.</summary>
    public void Renew(ClientConnection connection, Permissions permissions)
    {
        lock (_expiries)
        {
            bool watched = Unwatch(connection);
            connection.Permissions = permissions;
            if (watched)
            {
                Watch(connection);
            }
        }
    }

    /// <summary>Closes what the token has run out for.</summary>
    public void CloseExpired()
    {
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        List<ClientConnection> expired = [];
        lock (_expiries)
        {
            while (_expiries.Count > 0 && _expiries.First() is var (second, connections) && second <= now)
            {
                expired.AddRange(connections);
                _expiries.Remove(second);
            }
        }

        foreach (var connection in expired)
        {
            connection.Close(CloseReason.TokenExpired);
        }
    }

    /// <summary>Closes a user's connections here, or one of them.</summary>
    public void Disconnect(ChannelId user, string? connectionId)
    {
        if (connectionId is not null)
        {
            if (_connections.TryGetValue(connectionId, out var connection) && connection.UserId == user.Key)
            {
                connection.Close(CloseReason.Disconnected);
            }

            return;
        }

        foreach (var connection in _connections.Values)
        {
            if (connection.UserId == user.Key)
            {
                connection.Close(CloseReason.Disconnected);
            }
        }
    }

    /// <summary>Before a connection is accepted: it is told to go elsewhere while it is still an ordinary HTTP request.</summary>
    public void ThrowIfShuttingDown()
    {
        if (IsShuttingDown)
        {
            throw new RealtimeException(RealtimeErrorCode.Unavailable, CloseReason.ShuttingDown.Text);
        }
    }

    /// <summary>From now on whoever comes is sent elsewhere.</summary>
    public void Refuse() => IsShuttingDown = true;

    /// <summary>
    /// Tells everybody to come back elsewhere, at a steady rate, so that those who take them are not overrun. What a connection has been
    /// given before is still written, so it leaves with a complete cursor. Completes when all have been told.
    /// </summary>
    /// <param name="rate">Connections a second; more where the rest would not be told in the time that is left.</param>
    public async Task DrainAsync(int rate, TimeSpan timeout, CancellationToken cancellationToken)
    {
        Refuse();
        using var timer = new PeriodicTimer(DrainStep, time);
        long start = time.GetTimestamp();
        try
        {
            while (true)
            {
                var open = _connections.Values.Where(c => !c.IsClosing).ToList();
                double steps = Math.Max((timeout - time.GetElapsedTime(start)) / DrainStep, 1);
                foreach (var connection in open.Take((int)Math.Ceiling(Math.Max(rate * DrainStep.TotalSeconds, open.Count / steps))))
                {
                    connection.Close(CloseReason.ShuttingDown);
                }

                if (open.All(c => c.IsClosing))
                {
                    return;
                }

                await timer.WaitForNextTickAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            CloseAll();
        }
    }

    void CloseAll()
    {
        foreach (var connection in _connections.Values)
        {
            connection.Close(CloseReason.ShuttingDown);
        }
    }

    void Watch(ClientConnection connection)
    {
        long second = connection.Permissions.ExpiresAt.ToUnixTimeSeconds();
        if (!_expiries.TryGetValue(second, out var connections))
        {
            _expiries.Add(second, connections = []);
        }

        connections.Add(connection);
    }

    bool Unwatch(ClientConnection connection)
    {
        long second = connection.Permissions.ExpiresAt.ToUnixTimeSeconds();
        if (!_expiries.TryGetValue(second, out var connections) || !connections.Remove(connection))
        {
            return false;
        }

        if (connections.Count == 0)
        {
            _expiries.Remove(second);
        }

        return true;
    }
}
