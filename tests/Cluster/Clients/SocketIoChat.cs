using System.Text.Json;
using OrleansRealtime.Tests.Cluster.Records;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Cluster.Clients;

/// <summary>
/// socket.io-client by WebSocket, a new socket for every connection, which goes on where the last one was by its <c>pid</c> and offset; where
/// that is refused it joins the room with its cursor. Direct messages have no epoch here, so it follows no inbox.
/// </summary>
sealed class SocketIoChat : IChatConnection
{
    readonly Lock _lock = new();
    readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly Visit _visit;
    readonly List<(string Event, JsonElement[] Args)> _early = [];
    NodeSocket _socket = null!;
    string? _pid, _epoch, _closing;

    SocketIoChat(Visit visit) => _visit = visit;

    public Task<string> Ended => _ended.Task;

    public static async Task<IChatConnection> OpenAsync(NodeClients node, Uri gateway, Visit visit, CancellationToken cancellationToken)
    {
        var chat = new SocketIoChat(visit);
        try
        {
            await chat.StartAsync(node, gateway, cancellationToken);
            return chat;
        }
        catch
        {
            chat.Cut();
            await chat.DisposeAsync();
            throw;
        }
    }

    public async Task<Place> PublishAsync(string channel, string messageId, CancellationToken cancellationToken)
    {
        string name = channel[5..];
        var answer = channel.StartsWith("room:", StringComparison.Ordinal)
            ? await AskAsync("message", new { roomId = name, message = messageId, messageId }, cancellationToken)
            : await AskAsync("direct:message", new { userId = name, message = messageId, messageId }, cancellationToken);
        return Place.Parse(answer.GetProperty("cursor").GetString()!);
    }

    public void Cut()
    {
        _visit.Note(this, v => v.Take(null));
        _ended.TrySetResult("cut");
        _ = _socket?.CloseAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_socket is { } socket)
        {
            await socket.CloseAsync();
        }
    }

    async Task StartAsync(NodeClients node, Uri gateway, CancellationToken cancellationToken)
    {
        var room = _visit.Room!;
        _visit.Take(this);
        string[]? last = _visit.LastEventId?.Split(' ');
        if (last is not null)
        {
            Note(_ => room.Resume());
        }

        _epoch = room.Cursor?.Epoch;
        _socket = await node.OpenAsync(new()
        {
            Server = gateway,
            Token = _visit.Token,
            Pid = last?[0],
            Offset = last?[1],
            Listener = Add,
        });
        var state = await _socket.ConnectedAsync().WaitAsync(cancellationToken);
        if (!state.Recovered)
        {
            await JoinAsync(room, cancellationToken);
        }

        lock (_lock)
        {
            _pid = state.Pid;
            foreach (var (@event, args) in _early)
            {
                Take(@event, args);
            }

            _early.Clear();
        }
    }

    async Task JoinAsync(MemberRecord room, CancellationToken cancellationToken)
    {
        var cursor = room.Cursor;
        if (cursor is not null)
        {
            Note(_ => room.Resume());
        }

        var joined = await AskAsync("join:room", new { roomId = _visit.RoomName, cursor = cursor?.ToString() }, cancellationToken);
        _epoch = joined.GetProperty("epoch").GetString();
        if (cursor is null)
        {
            Note(_ => room.Begin(Place.Parse(joined.GetProperty("cursor").GetString()!)));
        }
        else if (!joined.GetProperty("recovered").GetBoolean())
        {
            Note(_ => room.NotRecovered());
        }
    }

    /// <summary>What comes before the answer to the join may be of an epoch that only the answer names.</summary>
    void Add(string @event, JsonElement[] args)
    {
        lock (_lock)
        {
            if (_pid is null)
            {
                _early.Add((@event, args));
            }
            else
            {
                Take(@event, args);
            }
        }
    }

    void Take(string @event, JsonElement[] args)
    {
        switch (@event)
        {
            case "message:new":
                var place = new Place(_epoch!, args[0].GetProperty("offset").GetInt64());
                Note(v => v.Room!.Receive(place, args[0].TryGetProperty("messageId", out var id) ? id.GetString() : null), args);
                break;
            case "gap" when args[0].TryGetProperty("roomId", out _):
                // One that answers the join's cursor says the same as the answer.
                if (args[0].GetProperty("reason").GetString() != "not_recovered")
                {
                    var after = Place.Parse(args[0].GetProperty("cursor").GetString()!);
                    _epoch = after.Epoch;
                    Note(v => v.Room!.Gap(after), args);
                }

                break;
            case "closing":
                _closing = args[0].GetProperty("reason").GetString();
                break;
            case "@disconnect":
                _ended.TrySetResult(_closing ?? args[0].GetString()!);
                break;
            default:
                Note(_ => { }, args);
                break;
        }
    }

    async Task<JsonElement> AskAsync(string @event, object argument, CancellationToken cancellationToken)
    {
        var answer = await _socket.EmitAsync(@event, argument).WaitAsync(cancellationToken);
        return answer.GetProperty("status").GetString() == "ok"
            ? answer
            : throw new RefusedException($"{answer.GetProperty("error").GetProperty("code").GetString()}: {answer.GetProperty("error").GetProperty("message").GetString()}");
    }

    /// <summary>Notes it together with the offset that the event brings, which stands for all that came before it.</summary>
    void Note(Action<Visit> note, JsonElement[]? args = null) =>
        _visit.Note(this, note, args is [.., { ValueKind: JsonValueKind.String } offset] && _pid is not null ? $"{_pid} {offset.GetString()}" : null);
}
