using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace OrleansRealtime.Bench;

/// <summary>What a scenario is told about its connections.</summary>
interface IScenario
{
    /// <param name="answer">The server's answer to the join.</param>
    void Joined(Connection connection, ReadOnlySpan<byte> answer)
    {
    }

    /// <summary>Something came, which may hold messages.</summary>
    void Received(Connection connection, ReadOnlySpan<byte> text, long now);

    void Closed(Connection connection)
    {
    }
}

/// <summary>All clients, on one thread: one read makes as much of a socket's bytes as there are, and nothing is parsed that need not be.</summary>
sealed unsafe class Crowd(LoadOptions options, IScenario scenario)
{
    const int BufferBytes = 1 << 20;

    /// <summary>Every connection speaks once in this time, a hundredth of them at once.</summary>
    const double KeepAliveSeconds = 10;

    readonly EventLoop _loop = new();
    readonly byte* _buffer = (byte*)NativeMemory.Alloc(BufferBytes);
    readonly string _tokenKey = options.Text("token-key", "");
    readonly int _users = (int)options.Number("users", int.MaxValue);
    long _nextKeepAlive;
    int _keepAliveTurn;
    bool _explained;

    public Dialect Dialect { get; } = Dialect.Of(options);

    public List<Connection> Connections { get; } = [];

    public int ReadyCount { get; private set; }

    /// <summary>Connections that ended, whoever ended them.</summary>
    public int ClosedCount { get; private set; }

    /// <summary>Messages that came in several frames.</summary>
    public long Fragmented { get; private set; }

    /// <summary>Opens all connections, 200 at a time, and returns when all have joined.</summary>
    /// <param name="serverOf">The server of the n-th connection.</param>
    public void ConnectAll(Func<int, int> serverOf)
    {
        long limit = Clock.Now + Clock.Ticks(120);
        for (int i = 0; i < options.Connections || ReadyCount < options.Connections;)
        {
            for (; i < options.Connections && i - ReadyCount < 200; i++)
            {
                var connection = new Connection(i, i % options.Rooms);
                Connections.Add(connection);
                Open(connection, serverOf(i));
            }

            Pump(Clock.Now + Clock.Ticks(0.1));
            if (ClosedCount > 0 || Clock.Now > limit)
            {
                throw new InvalidOperationException($"{ReadyCount} of {options.Connections} connections joined, {ClosedCount} were closed.");
            }
        }
    }

    /// <summary>Begins to connect, for the first time or again.</summary>
    public void Open(Connection connection, int server)
    {
        connection.Server = server;
        connection.Socket = Native.ConnectTo(options.Ports[server]);
        if (connection.Socket < 0)
        {
            throw new InvalidOperationException("No more sockets: raise ulimit -n, or use fewer connections.");
        }

        connection.State = ConnectionState.Connecting;
        _loop.Watch(connection.Socket, connection.Number, writing: true, isNew: true);
    }

    public void Close(Connection connection)
    {
        if (connection.State == ConnectionState.Closed)
        {
            return;
        }

        ReadyCount -= connection.State == ConnectionState.Ready ? 1 : 0;
        ClosedCount++;
        connection.State = ConnectionState.Closed;
        (connection.RestLength, connection.Fragments) = (0, null);
        _ = Native.Close(connection.Socket);
        scenario.Closed(connection);
    }

    public void Send(Connection connection, ReadOnlySpan<byte> bytes)
    {
        // A server that does not read what little it is sent is as good as closed.
        if (connection.State != ConnectionState.Closed && Native.Send(connection.Socket, bytes) != bytes.Length)
        {
            Close(connection);
        }
    }

    public void Ready(Connection connection, ReadOnlySpan<byte> answer)
    {
        connection.State = ConnectionState.Ready;
        ReadyCount++;
        scenario.Joined(connection, answer);
    }

    public void Refused(Connection connection, ReadOnlySpan<byte> answer)
    {
        if (!_explained)
        {
            _explained = true;
            Console.Error.WriteLine("refused: " + Encoding.UTF8.GetString(answer[..Math.Min(answer.Length, 400)]));
        }

        Close(connection);
    }

    public void PumpFor(double seconds)
    {
        for (long end = Clock.Now + Clock.Ticks(seconds); Clock.Now < end;)
        {
            Pump(end);
        }
    }

    /// <summary>Handles what there is; where there is nothing, waits for it until then.</summary>
    public void Pump(long until)
    {
        int count = _loop.Wait(Math.Min(until, Clock.Now + Clock.Ticks(KeepAliveSeconds / 100)));
        for (int i = 0; i < count; i++)
        {
            var connection = Connections[_loop.NumberOf(i)];
            if (connection.State == ConnectionState.Connecting)
            {
                Upgrade(connection, _loop.CanWrite(i));
            }
            else if (connection.State != ConnectionState.Closed)
            {
                Read(connection);
            }
        }

        if (Dialect.KeepAlive is { } frame && Clock.Now >= _nextKeepAlive)
        {
            _nextKeepAlive = Clock.Now + Clock.Ticks(KeepAliveSeconds / 100);
            for (int i = _keepAliveTurn++ % 100; i < Connections.Count; i += 100)
            {
                if (Connections[i].State == ConnectionState.Ready)
                {
                    Send(Connections[i], frame);
                }
            }
        }
    }

    void Upgrade(Connection connection, bool connected)
    {
        if (!connected)
        {
            Close(connection);
            return;
        }

        _loop.Watch(connection.Socket, connection.Number, writing: false, isNew: false);
        connection.State = ConnectionState.Upgrading;
        string number = connection.Number.ToString(CultureInfo.InvariantCulture);
        string path = Dialect.Path.Replace("{i}", number, StringComparison.Ordinal);
        if (path.Contains("{token}", StringComparison.Ordinal))
        {
            string user = FormattableString.Invariant($"user-{connection.Number % _users}");
            path = path.Replace("{token}", Token.For(user, _tokenKey), StringComparison.Ordinal);
        }

        // The key is RFC 6455's example: nobody here checks the answer to it.
        Send(connection, Encoding.ASCII.GetBytes(
            $"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{options.Ports[connection.Server]}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    }

    void Read(Connection connection)
    {
        int before = connection.RestLength;
        connection.Rest.AsSpan(0, before).CopyTo(new Span<byte>(_buffer, before));
        nint read = Native.Receive(connection.Socket, _buffer + before, BufferBytes - before, 0);
        if (read <= 0)
        {
            if (read == 0 || Marshal.GetLastPInvokeError() != Native.WouldBlock)
            {
                Close(connection);
            }

            return;
        }

        var rest = new ReadOnlySpan<byte>(_buffer, before + (int)read);
        Take(connection, ref rest, Clock.Now);
        if (connection.State == ConnectionState.Closed)
        {
            return;
        }

        if (rest.Length > BufferBytes / 2)
        {
            Close(connection);
            return;
        }

        if (rest.Length > connection.Rest.Length)
        {
            connection.Rest = new byte[Math.Max(256, rest.Length)];
        }

        rest.CopyTo(connection.Rest);
        connection.RestLength = rest.Length;
    }

    void Take(Connection connection, ref ReadOnlySpan<byte> bytes, long now)
    {
        if (connection.State == ConnectionState.Upgrading)
        {
            int end = bytes.IndexOf("\r\n\r\n"u8);
            if (end < 0)
            {
                return;
            }

            if (!bytes.StartsWith("HTTP/1.1 101"u8))
            {
                Refused(connection, bytes[..end]);
                return;
            }

            bytes = bytes[(end + 4)..];
            connection.State = ConnectionState.Joining;
            Dialect.Opened(this, connection);
        }

        while (connection.State != ConnectionState.Closed && Frames.TryTake(ref bytes, out int opcode, out bool final, out var payload))
        {
            if (opcode < Frames.Close && (!final || opcode == 0))
            {
                connection.Fragments = [.. connection.Fragments ?? [], .. payload];
                if (final)
                {
                    Fragmented++;
                    byte[] whole = connection.Fragments;
                    connection.Fragments = null;
                    Receive(connection, whole, now);
                }
            }
            else if (opcode == Frames.Close)
            {
                Close(connection);
            }
            else if (opcode == Frames.Ping)
            {
                Send(connection, Frames.Of(Encoding.Latin1.GetString(payload), Frames.Pong));
            }
            else if (opcode < Frames.Close)
            {
                Receive(connection, payload, now);
            }
        }
    }

    void Receive(Connection connection, ReadOnlySpan<byte> text, long now)
    {
        if (connection.State == ConnectionState.Joining)
        {
            Dialect.Joining(this, connection, text);
        }
        else if (Dialect.Handles(this, connection, text))
        {
            return;
        }

        scenario.Received(connection, text, now);
    }
}
