using System.Collections.Concurrent;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Auth;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>All connections of this gateway, whatever their transport, and the end of their tokens.</summary>
sealed class ClientConnections(TimeProvider time)
{
    readonly ConcurrentDictionary<string, ClientConnection> _connections = new();
    readonly PriorityQueue<ClientConnection, DateTimeOffset> _expiries = new();

    public int Count => _connections.Count;

    public bool IsShuttingDown { get; private set; }

    public void Add(ClientConnection connection)
    {
        _connections[connection.Id] = connection;
        Watch(connection);
        if (IsShuttingDown)
        {
            connection.Close(CloseReason.ShuttingDown);
        }
    }

    public void Remove(ClientConnection connection) => _connections.TryRemove(new(connection.Id, connection));

    /// <summary>Takes a new token: it says from now on what the connection may do, and for how long.</summary>
    public void Renew(ClientConnection connection, Permissions permissions)
    {
        connection.Permissions = permissions;
        Watch(connection);
    }

    /// <summary>Closes what the token has run out for.</summary>
    public void CloseExpired()
    {
        var now = time.GetUtcNow();
        while (true)
        {
            ClientConnection? connection;
            lock (_expiries)
            {
                if (!_expiries.TryPeek(out connection, out var expiresAt) || expiresAt > now)
                {
                    return;
                }

                _expiries.Dequeue();
            }

            // An entry of an earlier token: the connection has been renewed since.
            if (connection.Permissions.ExpiresAt <= now)
            {
                connection.Close(CloseReason.TokenExpired);
            }
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
        lock (_expiries)
        {
            _expiries.Enqueue(connection, connection.Permissions.ExpiresAt);
        }
    }
}
