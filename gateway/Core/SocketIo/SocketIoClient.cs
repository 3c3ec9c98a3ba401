using System.Diagnostics.CodeAnalysis;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Gateway.EngineIo;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.WebSockets;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>A Socket.IO client: its link, and the namespaces that it is connected to. It puts packets together and hands them out.</summary>
sealed class SocketIoClient(SocketIoServer server, EngineSession engine) : IEngineClient
{
    readonly Lock _lock = new();

    /// <summary>Replaced, never changed.</summary>
    SocketIoConnection[] _connections = [];
    HashSet<string>? _connecting;
    PartialPacket? _partial;
    long _connectBy = Environment.TickCount64 + (long)server.Options.ConnectTimeout.TotalMilliseconds;
    bool _closed;

    public SocketIoServer Server => server;

    public EngineSession Engine => engine;

    /// <summary>Whether nobody would miss the link.</summary>
    public bool IsConnectedNowhere => _connections.Length == 0;

    public ValueTask OnMessageAsync(ReadOnlyMemory<byte> data, bool binary, IClientRequest request)
    {
        if (binary)
        {
            return AddAttachmentAsync(data);
        }

        if (_partial is not null || !SocketIoPacket.TryParse(data, server.Options, out var packet))
        {
            return new(engine.CloseAsync());
        }

        if (packet.Type == PacketType.Connect)
        {
            // A request of long-polling is there only until it has been answered.
            var connecting = ConnectAsync(packet, request);
            return engine.IsPolling ? new(connecting) : default;
        }

        if (packet.Attachments > 0)
        {
            _partial = new(packet with { Json = packet.Json.ToArray() }, Environment.TickCount64 + (long)server.Options.AttachmentTimeout.TotalMilliseconds);
            return default;
        }

        return HandleAsync(packet, []);
    }

    public void OnTick(long now)
    {
        if (_partial is { } partial && now >= partial.CompleteBy)
        {
            _ = engine.CloseAsync();
            return;
        }

        lock (_lock)
        {
            if (_connections.Length > 0 || _connecting is { Count: > 0 } || now < _connectBy)
            {
                return;
            }
        }

        _ = engine.CloseAsync();
    }

    public void OnClosed()
    {
        SocketIoConnection[] connections;
        lock (_lock)
        {
            _closed = true;
            (connections, _connections) = (_connections, []);
        }

        foreach (var connection in connections)
        {
            server.End(connection);
        }
    }

    /// <summary>Adds a namespace's connection. False where the client has gone meanwhile.</summary>
    public bool Add(SocketIoConnection connection)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return false;
            }

            _connections = [.. _connections, connection];
        }

        engine.MarkInUse();
        return true;
    }

    /// <summary>Ends one namespace's connection; the link stays.</summary>
    public void Drop(SocketIoConnection connection)
    {
        lock (_lock)
        {
            _connections = [.. _connections.Where(c => c != connection)];
            _connectBy = Environment.TickCount64 + (long)server.Options.ConnectTimeout.TotalMilliseconds;
        }

        server.End(connection);
    }

    /// <summary>Completes when the request is no longer needed.</summary>
    async Task ConnectAsync(SocketIoPacket packet, IClientRequest request)
    {
        if (!TryBeginConnecting(packet.Namespace))
        {
            return;
        }

        EventData auth = new((byte[])[(byte)'[', .. packet.Json.IsEmpty ? "{}"u8 : packet.Json.Span, (byte)']'], []);
        var entering = Task.CompletedTask;
        await request.UseAsync(async http => entering = await server.BeginConnectAsync(this, packet.Namespace, auth, http));
        _ = EndConnectingAsync(packet.Namespace, entering);
    }

    bool TryBeginConnecting(string ns)
    {
        lock (_lock)
        {
            if (Find(ns) is not null || _connecting?.Contains(ns) == true)
            {
                return false;
            }

            if (_connections.Length + (_connecting?.Count ?? 0) < server.Options.MaxNamespaces)
            {
                return (_connecting ??= []).Add(ns);
            }
        }

        SocketIoServer.Refuse(this, ns, $"A client may be connected to at most {server.Options.MaxNamespaces} namespaces.", null);
        return false;
    }

    async Task EndConnectingAsync(string ns, Task connecting)
    {
        await connecting;
        lock (_lock)
        {
            _connecting!.Remove(ns);
            if (_connecting.Count == 0)
            {
                _connecting = null;
            }
        }
    }

    ValueTask AddAttachmentAsync(ReadOnlyMemory<byte> data)
    {
        if (_partial is not { } partial)
        {
            return new(engine.CloseAsync());
        }

        partial.Add(data.ToArray());
        if (partial.Bytes > server.Options.MaxPayload)
        {
            return new(engine.CloseAsync(WebSocketCloseStatus.MessageTooBig, $"A packet may have at most {server.Options.MaxPayload} bytes."));
        }

        if (!partial.IsComplete)
        {
            return default;
        }

        _partial = null;
        return HandleAsync(partial.Packet, partial.Attachments);
    }

    ValueTask HandleAsync(in SocketIoPacket packet, IReadOnlyList<ReadOnlyMemory<byte>> attachments)
    {
        if (Find(packet.Namespace) is not { } connection)
        {
            // One that has just been ended by the server may not know it yet; one that has never connected is no client of ours.
            return engine.IsInUse ? default : new(engine.CloseAsync());
        }

        switch (packet.Type)
        {
            case PacketType.Disconnect:
                Drop(connection);
                return default;
            case PacketType.Ack or PacketType.BinaryAck:
                Acknowledged(connection, packet.Id!.Value, new(packet.Json.ToArray(), attachments));
                return default;
            default:
                return SocketIoEventPacket.TryRead(packet.Json.Span, out string? name, out byte[]? arguments)
                    ? connection.ReceiveAsync(name, new(arguments, attachments), packet.Id)
                    : new(engine.CloseAsync());
        }
    }

    static void Acknowledged(SocketIoConnection connection, long id, EventData data)
    {
        if (SocketIoRefusal.TryRead(data, out string? message))
        {
            connection.Refuse(id, message);
        }
        else
        {
            connection.Answer(id, data);
        }
    }

    SocketIoConnection? Find(string ns)
    {
        foreach (var connection in _connections)
        {
            if (connection.Namespace == ns)
            {
                return connection;
            }
        }

        return null;
    }

    /// <summary>A packet that lacks some of its attachments.</summary>
    sealed class PartialPacket(SocketIoPacket packet, long completeBy)
    {
        readonly List<ReadOnlyMemory<byte>> _attachments = [];

        public SocketIoPacket Packet => packet;

        public long CompleteBy => completeBy;

        public IReadOnlyList<ReadOnlyMemory<byte>> Attachments => _attachments;

        public int Bytes { get; private set; } = packet.Json.Length;

        public bool IsComplete => _attachments.Count == packet.Attachments;

        public void Add(byte[] attachment)
        {
            _attachments.Add(attachment);
            Bytes += attachment.Length;
        }
    }
}

/// <summary>The JSON of an event: a name, and arguments.</summary>
static class SocketIoEventPacket
{
    /// <summary>Names that clients of Socket.IO keep for themselves: none sends them.</summary>
    public static readonly IReadOnlyList<string> Reserved = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

    /// <summary>Takes the name off the array. False where it is not one that a client may send.</summary>
    /// <param name="json">A valid JSON array.</param>
    /// <param name="arguments">The others, as an array.</param>
    public static bool TryRead(ReadOnlySpan<byte> json, [NotNullWhen(true)] out string? name, [NotNullWhen(true)] out byte[]? arguments)
    {
        (name, arguments) = (null, null);
        var reader = new Utf8JsonReader(json);
        reader.Read();
        reader.Read();
        name = reader.TokenType switch
        {
            JsonTokenType.String => JsonText.Read(reader),
            JsonTokenType.Number => Encoding.UTF8.GetString(reader.ValueSpan),
            _ => null,
        };
        if (name is null || Reserved.Contains(name))
        {
            return false;
        }

        int end = (int)reader.BytesConsumed;
        reader.Read();
        int start = reader.TokenType == JsonTokenType.EndArray ? end : (int)reader.TokenStartIndex;
        arguments = [(byte)'[', .. json[start..]];
        return true;
    }
}
