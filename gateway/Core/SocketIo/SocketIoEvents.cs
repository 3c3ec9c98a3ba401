using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>
/// What the events of Socket.IO clients mean: the operations of all transports under the names that the clients of Socket.IO use, and the
/// application's own handlers, which go first. docs/socketio.md lists them; what clients are sent is in <see cref="SocketIoFormat"/>.
/// </summary>
sealed partial class SocketIoEvents(
    RealtimeOperations operations,
    KeyOperations keys,
    RequestOperations requests,
    JobOperations jobs,
    EventDispatcher handlers,
    GatewayMetrics metrics,
    ILogger<SocketIoEvents> logger)
{
    /// <summary>Requests in the form of the guide: <c>request:deploy</c> is answered by the handler of <c>deploy</c>, or starts the job of that name.</summary>
    const string RequestPrefix = "request:";

    static readonly EventData s_received = new("[{\"status\":\"received\"}]"u8.ToArray(), []);

    /// <summary>
    /// Begins what an event asks for. The outer task completes when the connection's next event may begin, the inner one with the acknowledgement.
    /// </summary>
    /// <param name="asked">Whether the client wants the acknowledgement. Messages, of which there are many, have none otherwise.</param>
    /// <exception cref="RealtimeException">It cannot be; nothing has happened.</exception>
    public async ValueTask<Task<EventData?>> BeginAsync(SocketIoConnection connection, string name, EventData data, bool asked)
    {
        if (handlers.Handles(connection.Namespace, name))
        {
            return InvokeAsync(connection, name, data);
        }

        switch (name)
        {
            case "join:room":
                return Task.FromResult(await JoinAsync(connection, new(name, data, "roomId")));
            case "leave:room":
                return Task.FromResult<EventData?>(Leave(connection, new(name, data, "roomId")));
            case "message":
                return KeptAsync(await SendAsync(connection, new(name, data, "roomId", "message")), asked);
            case "room:update":
                return KeptAsync(await UpdateAsync(connection, new(name, data, "roomId", "data")), asked);
            case "direct:message":
                return KeptAsync(await SendDirectAsync(connection, new(name, data, "userId", "message")), asked);
            case "notification":
                return KeptAsync(await NotifyAsync(connection, new(name, data, "message")), asked);
            case "binary":
                return await RelayAsync(connection, data);
            case "history":
                return HistoryAsync(connection, new(name, data, "roomId"));
            case "inbox":
                return InboxAsync(connection, new(name, data));
            case "presence":
                return PresenceAsync(connection, new(name, data, "roomId"));
            case "authenticate":
                return Task.FromResult<EventData?>(Ok(await operations.AuthenticateAsync(connection, new EventFields(name, data, "token").Text("token")), WireJson.Default.AuthenticateResult));
            case "key:put":
                return KeysAsync(keys.PutAsync(connection.Permissions, connection.UserId, new EventFields(name, data, "key").Text("key"), connection.Aborted));
            case "key:remove":
                return KeysAsync(keys.RemoveAsync(connection.Permissions, connection.UserId, new EventFields(name, data, "key").Text("key"), connection.Aborted));
            case "keys":
                return KeysAsync(keys.KeysAsync(new EventFields(name, data, "userId").Text("userId"), connection.Aborted));
            case "user:request":
                return AskUserAsync(connection, new(name, data, "userId", "event", "data"));
            case "job:start":
                return StartJobAsync(connection, new(name, data, "name", "data"));
            case "job":
                return DescribeJobAsync(connection, new(name, data, "id"));
            case "job:cancel":
                return CancelJobAsync(connection, new(name, data, "id"));
            case "request":
                return Task.FromResult<EventData?>(s_received);
            default:
                return name.StartsWith(RequestPrefix, StringComparison.Ordinal) ? RequestAsync(connection, name[RequestPrefix.Length..], data) : InvokeAsync(connection, name, data);
        }
    }

    /// <summary>The error that a client gets; null where nobody is there to get one. What is nobody's fault but ours is logged.</summary>
    public RealtimeException? Explain(string name, Exception exception)
    {
        var error = ErrorOf(name, exception);
        if (error is not null)
        {
            metrics.Refused(error.Code);
        }

        return error;
    }

    RealtimeException? ErrorOf(string name, Exception exception)
    {
        switch (exception)
        {
            case RealtimeException known:
                return known;
            case ConnectionRejectedException rejection:
                return new(RealtimeErrorCode.Rejected, rejection.MessageWithData);
            case OperationCanceledException:
                return null;
            default:
                Unexpected(name, exception);
                return new(RealtimeErrorCode.Internal, "Something went wrong on the server.");
        }
    }

    /// <summary>The acknowledgement of an event that has failed.</summary>
    public static EventData ErrorAnswer(string name, RealtimeException error) => Write(json =>
    {
        json.WriteStartObject();
        if (name.StartsWith(RequestPrefix, StringComparison.Ordinal))
        {
            json.WriteBoolean("success"u8, false);
            json.WriteString("error"u8, error.Message);
        }
        else
        {
            json.WriteString("status"u8, "error"u8);
            json.WriteStartObject("error"u8);
            json.WriteString("code"u8, error.Code.Text());
            json.WriteString("message"u8, error.Message);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    });

    async Task<EventData?> JoinAsync(SocketIoConnection connection, EventFields fields)
    {
        var result = await operations.JoinAsync(connection, Room(connection, fields), RealtimeOperations.ParseCursor(fields.Text("cursor")), CancellationToken.None);
        return Ok(result with { Room = fields.Room() }, WireJson.Default.JoinResult);
    }

    static EventData Leave(SocketIoConnection connection, EventFields fields)
    {
        RealtimeOperations.Leave(connection, Room(connection, fields));
        return Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("status"u8, "ok"u8);
            json.WriteString("room"u8, fields.Room());
            json.WriteEndObject();
        });
    }

    ValueTask<Task<PublishAcknowledgement>> SendAsync(SocketIoConnection connection, EventFields fields) =>
        operations.BeginSendAsync(connection, Room(connection, fields), Message(fields));

    ValueTask<Task<PublishAcknowledgement>> UpdateAsync(SocketIoConnection connection, EventFields fields) =>
        operations.BeginSendAsync(connection, Room(connection, fields), Message(fields) with { Event = "room:update" });

    ValueTask<Task<PublishAcknowledgement>> SendDirectAsync(SocketIoConnection connection, EventFields fields) =>
        operations.BeginSendToUserAsync(connection, fields.Text("userId"), Message(fields));

    ValueTask<Task<PublishAcknowledgement>> NotifyAsync(SocketIoConnection connection, EventFields fields) =>
        operations.BeginBroadcastAsync(connection, fields.Text("namespace") ?? connection.Namespace, Message(fields));

    /// <summary>Bytes for the other members of all rooms that the connection is in.</summary>
    async ValueTask<Task<EventData?>> RelayAsync(SocketIoConnection connection, EventData data)
    {
        if (data.Count == 0 || BinaryPlaceholders.ToPayload(data[0].Span, data.Attachments) is not { Kind: PayloadKind.Binary } bytes)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "'binary' needs binary data as its first argument.");
        }

        var rooms = connection.Subscriptions.Where(s => s.Id.Kind == ChannelKind.Room).Select(s => RoomName.FromQualified(s.Id.Key))
            .Where(r => !Topic.IsRoom(r)).ToList();
        if (rooms.Count == 0)
        {
            throw new RealtimeException(RealtimeErrorCode.NotAMember, "'binary' is relayed to the rooms of the connection, and it is in none. Join one before.");
        }

        var kept = new List<Task<PublishAcknowledgement>>(rooms.Count);
        foreach (var room in rooms)
        {
            kept.Add(await operations.BeginSendAsync(connection, room.ToString(), new("binary", bytes)));
        }

        return AllKeptAsync(kept);
    }

    static async Task<EventData?> AllKeptAsync(List<Task<PublishAcknowledgement>> kept)
    {
        await Task.WhenAll(kept);
        return Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("status"u8, "ok"u8);
            json.WriteNumber("rooms"u8, kept.Count);
            json.WriteEndObject();
        });
    }

    static async Task<EventData?> KeptAsync(Task<PublishAcknowledgement> kept, bool asked)
    {
        var acknowledgement = await kept;
        return asked ? Ok(acknowledgement, WireJson.Default.PublishAcknowledgement) : null;
    }

    async Task<EventData?> HistoryAsync(SocketIoConnection connection, EventFields fields) => Ok(
        await operations.RoomHistoryAsync(connection.Permissions, Room(connection, fields), fields.Page(), connection.Aborted), WireJson.Default.History);

    async Task<EventData?> InboxAsync(SocketIoConnection connection, EventFields fields) => Ok(
        await operations.InboxAsync(connection.Permissions, connection.UserId, fields.Page(), connection.Aborted), WireJson.Default.History);

    async Task<EventData?> PresenceAsync(SocketIoConnection connection, EventFields fields)
    {
        var result = await operations.PresenceAsync(connection.Permissions, Room(connection, fields), connection.Aborted);
        return Ok(result with { Room = fields.Room() }, WireJson.Default.PresenceResult);
    }

    /// <summary><c>{status: 'ok', data}</c></summary>
    async Task<EventData?> AskUserAsync(SocketIoConnection connection, EventFields fields)
    {
        var answer = await requests.AskUserAsync(
            connection, fields.Text("userId"), fields.Text("event"), fields.Message(), fields.Seconds("timeout"), connection.Aborted);
        return Wrap("[{\"status\":\"ok\",\"data\":"u8, answer);
    }

    static async Task<EventData?> KeysAsync(Task<KeysResult> result) => Ok(await result, WireJson.Default.KeysResult);

    Task<EventData?> InvokeAsync(SocketIoConnection connection, string name, EventData data) =>
        handlers.InvokeAsync(connection.Namespace, name, data, connection.Permissions, connection, connection.Claims, connection.Aborted);

    /// <summary><c>{success: true, result}</c></summary>
    async Task<EventData?> RequestAsync(SocketIoConnection connection, string name, EventData data)
    {
        var input = handlers.Handles(connection.Namespace, name) || data.Count == 0 ? null : BinaryPlaceholders.ToPayload(data[0].Span, data.Attachments);
        var result = await operations.StartRequestedJobAsync(connection.Permissions, name, connection.Namespace, input, connection.Aborted)
            ?? await InvokeAsync(connection, name, data)
            ?? EventData.Empty;
        return Wrap("[{\"success\":true,\"result\":"u8, result);
    }

    /// <summary>An answer's data, as it is, as the last field of the object that the acknowledgement has.</summary>
    static EventData Wrap(ReadOnlySpan<byte> start, EventData answer) =>
        new((byte[])[.. start, .. answer.Count > 0 ? answer[0].Span : "null"u8, .. "}]"u8], answer.Attachments);

    async Task<EventData?> StartJobAsync(SocketIoConnection connection, EventFields fields)
    {
        var how = new StartJobOptions(fields.Text("idempotencyKey"), fields.Flag("cancelWhenUnwatched"));
        return OkJob(await jobs.StartAsync(connection.Permissions, fields.Text("name"), fields.Message(), how, connection.Aborted), WireJson.Default.StartedJob);
    }

    async Task<EventData?> DescribeJobAsync(SocketIoConnection connection, EventFields fields) =>
        OkJob(await jobs.DescribeAsync(fields.Text("id"), connection.Aborted), WireJson.Default.JobDescription);

    async Task<EventData?> CancelJobAsync(SocketIoConnection connection, EventFields fields) =>
        Ok(await jobs.CancelAsync(connection.Permissions, fields.Text("id"), connection.Aborted), WireJson.Default.CancelJobResult);

    static SendRequest Message(EventFields fields) => new(
        fields.Text("event"), fields.Message(), fields.Text("messageId"), fields.Text("delivery"), fields.Text("key"));

    /// <summary>The room of the connection's namespace, as the operations know it.</summary>
    static string Room(SocketIoConnection connection, EventFields fields) => $"{connection.Namespace}:{fields.Room()}";

    static EventData Ok<T>(T result, JsonTypeInfo<T> type)
    {
        // {"status":"ok", and then the result's own fields.
        byte[] fields = JsonSerializer.SerializeToUtf8Bytes(result, type);
        byte[] json = [.. "[{\"status\":\"ok\""u8, .. fields.Length > 2 ? ","u8 : default, .. fields.AsSpan(1), (byte)']'];
        return new(json, []);
    }

    /// <summary>Within <c>job</c>, because a job has a <c>status</c> of its own.</summary>
    static EventData OkJob<T>(T job, JsonTypeInfo<T> type) =>
        new((byte[])[.. "[{\"status\":\"ok\",\"job\":"u8, .. JsonSerializer.SerializeToUtf8Bytes(job, type), .. "}]"u8], []);

    static EventData Write(Action<Utf8JsonWriter> write)
    {
        var json = JsonBuffer.BeginValue();
        json.WriteStartArray();
        write(json);
        json.WriteEndArray();
        json.Flush();
        return new(JsonBuffer.Written.ToArray(), []);
    }

    [LoggerMessage(1, LogLevel.Error, "The Socket.IO event '{Name}' failed.")]
    partial void Unexpected(string name, Exception exception);
}
