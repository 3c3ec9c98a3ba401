using System.Collections.Concurrent;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>All connections of this gateway, whatever their transport, and the end of their tokens.</summary>
sealed class ClientConnections(TimeProvider time)
{
    readonly ConcurrentDictionary<string, ClientConnection> _connections = new();

    /// <summary>The connections whose tokens run out in a second of Unix time. Guarded by itself.</summary>
    readonly SortedDictionary<long, HashSet<ClientConnection>> _expiries = [];

    public bool IsShuttingDown { get; private set; }

    public void Add(ClientConnection connection)
    {
        _connections[connection.Id] = connection;
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
        _connections.TryRemove(new(connection.Id, connection));
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

    /// <summary>Tells everybody to come back elsewhere, and whoever still comes.</summary>
    public void ShutDown()
    {
        IsShuttingDown = true;
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
