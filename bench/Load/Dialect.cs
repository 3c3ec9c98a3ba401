namespace OrleansRealtime.Bench;

/// <summary>What a server says and expects beneath the application: how a client greets, joins and stays alive.</summary>
abstract class Dialect
{
    public static Dialect Of(LoadOptions options) => options.Text("target", "signalr") switch
    {
        "signalr" => new SignalRDialect(options),
        "socketio" => new SocketIoDialect(options),
        string other => throw new ArgumentException($"--target must be signalr or socketio, not '{other}'."),
    };

    /// <summary>The request's target; <c>{token}</c> and <c>{i}</c> stand for the connection's own.</summary>
    public abstract string Path { get; }

    /// <summary>A publication with <c>{room}</c> and <c>{text}</c> in it; <c>{id}</c>, where it occurs, has 8 characters of its own.</summary>
    public abstract string Send { get; }

    /// <summary>What a client sends now and then, or null.</summary>
    public virtual byte[]? KeepAlive => null;

    /// <summary>What ends each text, as the client sends it.</summary>
    public virtual string End => "";

    /// <summary>The WebSocket is open.</summary>
    public virtual void Opened(Crowd crowd, Connection connection)
    {
    }

    /// <summary>A text before the connection is ready.</summary>
    public abstract void Joining(Crowd crowd, Connection connection, ReadOnlySpan<byte> text);

    /// <summary>A text after that. True where it was the protocol's own.</summary>
    public virtual bool Handles(Crowd crowd, Connection connection, ReadOnlySpan<byte> text) => false;
}

/// <summary>SignalR's JSON protocol, without negotiation.</summary>
sealed class SignalRDialect(LoadOptions options) : Dialect
{
    static readonly byte[] s_hello = Frames.Of("{\"protocol\":\"json\",\"version\":1}\u001e");

    readonly string _join = options.Text("join", """{"type":1,"invocationId":"join","target":"JoinRoom","arguments":["{room}"]}""");

    public override string Path { get; } = options.Text("path", "/hub");

    public override string Send { get; } = options.Text("send", """{"type":1,"target":"SendToRoom","arguments":["{room}","{text}"]}""");

    public override byte[] KeepAlive { get; } = Frames.Of("{\"type\":6}\u001e");

    public override string End => "\u001e";

    public override void Opened(Crowd crowd, Connection connection)
    {
        crowd.Send(connection, s_hello);
        string join = connection.Cursor is { } cursor
            ? $$"""{"type":1,"invocationId":"join","target":"Join","arguments":["{{connection.RoomName}}","{{cursor}}"]}"""
            : _join.Replace("{room}", connection.RoomName, StringComparison.Ordinal);
        crowd.Send(connection, Frames.Of(join + End));
    }

    public override void Joining(Crowd crowd, Connection connection, ReadOnlySpan<byte> text)
    {
        if (text.IndexOf("\"error\":"u8) >= 0)
        {
            crowd.Refused(connection, text);
        }
        else if (text.IndexOf("\"invocationId\":\"join\""u8) >= 0)
        {
            crowd.Ready(connection, text);
        }
    }
}

/// <summary>Socket.IO's protocol 5 over Engine.IO 4, straight on WebSocket. The join is acknowledged.</summary>
sealed class SocketIoDialect(LoadOptions options) : Dialect
{
    static readonly byte[] s_connect = Frames.Of("40"), s_pong = Frames.Of("3");

    readonly string _join = options.Text("join", """420["join:room","{room}"]""");

    public override string Path { get; } = options.Text("path", "/socket.io/?EIO=4&transport=websocket");

    public override string Send { get; } = options.Text("send", """42["message","{room}","{text}"]""");

    public override void Joining(Crowd crowd, Connection connection, ReadOnlySpan<byte> text)
    {
        if (Handles(crowd, connection, text))
        {
            return;
        }

        if (text.StartsWith("0{"u8))
        {
            crowd.Send(connection, s_connect);
        }
        else if (text.StartsWith("40"u8))
        {
            crowd.Send(connection, Frames.Of(_join.Replace("{room}", connection.RoomName, StringComparison.Ordinal)));
        }
        else if (text.StartsWith("43"u8))
        {
            crowd.Ready(connection, text);
        }
        else if (text.StartsWith("44"u8))
        {
            crowd.Refused(connection, text);
        }
    }

    public override bool Handles(Crowd crowd, Connection connection, ReadOnlySpan<byte> text)
    {
        bool isPing = text.SequenceEqual("2"u8);
        if (isPing)
        {
            crowd.Send(connection, s_pong);
        }

        return isPing;
    }
}
