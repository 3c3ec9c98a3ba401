using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Connections;
using Microsoft.AspNetCore.SignalR;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Jobs;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>The operations as SignalR methods (docs/api.md). Parameters with a default may be left out by the client.</summary>
[Authorize]
sealed class RealtimeHub(
    RealtimeOperations operations, KeyOperations keys, RequestOperations requests, JobOperations jobs, EventDispatcher events) : Hub
{
    ClientConnection Connection => Context.Features.Get<ClientConnection>()!;

    CancellationToken Aborted => Context.ConnectionAborted;

    public override async Task OnConnectedAsync()
    {
        var http = Context.GetHttpContext()!;
        try
        {
            Connection.Claims = await events.ConnectAsync(http, Connection.Transport, RoomName.DefaultNamespace);
        }
        catch (Exception exception) when (exception is ConnectionRejectedException or RealtimeException)
        {
            Connection.Close(CloseReason.Of(exception));
            return;
        }

        var query = http.Request.Query;
        await operations.StartAsync(
            Connection, RealtimeOperations.ParseCursor(query["inbox"]), RealtimeOperations.ParseCursor(query["notifications"]), Aborted);
        await events.ConnectedAsync(Connection, RoomName.DefaultNamespace, EventData.Empty);
    }

    public Task<JoinResult> Join(string room, CursorArgument cursor = default) => operations.JoinAsync(Connection, room, cursor.Parse(), Aborted);

    public Task<JoinResult> JoinRoom(string room) => operations.JoinAsync(Connection, room, null, Aborted);

    public void Leave(string room) => RealtimeOperations.Leave(Connection, room);

    public Task<PublishAcknowledgement> Send(string room, string @event, Payload data, string? messageId = null) =>
        operations.SendAsync(Connection, room, new(@event, data, messageId));

    public Task<PublishAcknowledgement> SendToRoom(string room, Payload text) => operations.SendAsync(Connection, room, new(null, text));

    public Task<PublishAcknowledgement> SendWith(string room, string @event, Payload data, SendOptions? options = null) =>
        operations.SendAsync(Connection, room, new(@event, data, options?.MessageId, options?.Delivery, options?.Key));

    public Task<PublishAcknowledgement> SendBinary(string room, string @event, byte[] data, string? messageId = null) =>
        operations.SendAsync(Connection, room, new(@event, new(PayloadKind.Binary, data), messageId));

    public Task<PublishAcknowledgement> SendToUser(string user, string @event, Payload data, string? messageId = null) =>
        operations.SendToUserAsync(Connection, user, new(@event, data, messageId));

    public Task<PublishAcknowledgement> Broadcast(string @event, Payload data, string? @namespace = null, string? messageId = null) =>
        operations.BroadcastAsync(Connection, @namespace, new(@event, data, messageId));

    public Task<History> History(string room, CursorArgument cursor = default, int? limit = null) =>
        operations.RoomHistoryAsync(Connection.Permissions, room, new(cursor.Parse(), null, limit), Aborted);

    public Task<History> HistoryBefore(string room, long offset, int? limit = null) =>
        operations.RoomHistoryAsync(Connection.Permissions, room, new(null, offset, limit), Aborted);

    public Task<History> Inbox(CursorArgument cursor = default, int? limit = null) =>
        operations.InboxAsync(Connection.Permissions, Connection.UserId, new(cursor.Parse(), null, limit), Aborted);

    public Task<PresenceResult> Presence(string room) => operations.PresenceAsync(Connection.Permissions, room, Aborted);

    public Task<AuthenticateResult> Authenticate(string token) => operations.AuthenticateAsync(Connection, token);

    public Task<KeysResult> PutKey(string key) => keys.PutAsync(Connection.Permissions, Connection.UserId, key, Aborted);

    public Task<KeysResult> RemoveKey(string key) => keys.RemoveAsync(Connection.Permissions, Connection.UserId, key, Aborted);

    public Task<KeysResult> Keys(string user) => keys.KeysAsync(user, Aborted);

    public async Task<EventData?> Request(string @event, Payload? data = null, string? @namespace = null)
    {
        string ns = RealtimeOperations.CheckMayUseNamespace(Connection.Permissions, @namespace);

        // The connection is one of the default namespace. The middleware of another one sees each request to it.
        var claims = ns == RoomName.DefaultNamespace ? Connection.Claims : await events.ConnectAsync(Context.GetHttpContext()!, Connection.Transport, ns);
        return await operations.RequestAsync(Connection.Permissions, Connection, claims, @event, ns, data, Aborted);
    }

    public Task<EventData> RequestUser(string user, string @event, Payload? data = null, double? timeoutSeconds = null) =>
        requests.AskUserAsync(Connection, user, @event, data, timeoutSeconds, Aborted);

    public bool Answer(long id, Payload? data = null) => operations.Answer(Connection, id, data);

    public bool Refuse(long id, string? message = null) => RealtimeOperations.Refuse(Connection, id, message);

    public Task<StartedJob> StartJob(string name, Payload? data = null, StartJobOptions? options = null) =>
        jobs.StartAsync(Connection.Permissions, name, data, options, Aborted);

    public Task<JobDescription> Job(string id) => jobs.DescribeAsync(id, Aborted);

    public Task<CancelJobResult> CancelJob(string id) => jobs.CancelAsync(Connection.Permissions, id, Aborted);
}
