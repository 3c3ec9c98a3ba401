using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Users;

/// <summary>What of a user outlives the process, beside the inbox's log.</summary>
[GenerateSerializer, Alias("OrleansRealtime.UserState")]
sealed class UserState
{
    /// <summary>How far the inbox has been handed to the user's connections.</summary>
    [Id(0)]
    public Cursor Delivered { get; set; }

    /// <summary>The public keys of the user's devices, the newest first. Replaced, never changed.</summary>
    [Id(1)]
    public List<UserKey> Keys { get; set; } = [];
}

/// <summary>A user: a channel that is the inbox, and whose presence is the user's connections.</summary>
sealed class UserGrain(
    ChannelServices services,
    [PersistentState("user", UserGrain.StorageName)] IPersistentState<UserState> state) : ChannelGrain(ChannelKind.User, services), IUserGrain
{
    public const string StorageName = "realtime";

    // Counts changes of the state, and how many of them are kept. One write is in flight.
    long _changes, _kept;
    Task? _saving;
    UserRequests? _requests;

    /// <summary>Most users are never asked anything.</summary>
    UserRequests Requests => _requests ??= new(Channel, Post, Time);

    public Task<IReadOnlyList<UserConnection>> Connections() => Task.FromResult<IReadOnlyList<UserConnection>>(
        [.. PresenceByGateway.SelectMany(g => g.Counts.Select(c => new UserConnection(c.Key, g.GatewayId, c.Transport ?? "")))]);

    public Task<int> Disconnect(string? connectionId)
    {
        int told = 0;
        foreach (var (gatewayId, counts) in PresenceByGateway)
        {
            int here = connectionId is null ? counts.Count : counts.TryGet(connectionId, out _) ? 1 : 0;
            if (here > 0)
            {
                Post(gatewayId, new DisconnectRequested(Channel, connectionId));
                told += here;
            }
        }

        return Task.FromResult(told);
    }

    public Task<Cursor> DeliveredUpTo()
    {
        var head = Log.Head;
        var delivered = state.State.Delivered;
        return Task.FromResult(delivered.Epoch == head.Epoch ? delivered : new Cursor(head.Epoch, 0));
    }

    public async Task Delivered(Cursor delivered)
    {
        var known = await DeliveredUpTo();
        if (delivered.Epoch != Log.Head.Epoch || delivered.Offset <= known.Offset || delivered.Offset > Log.Head.Offset)
        {
            return;
        }

        state.State.Delivered = delivered;
        await SaveAsync();
    }

    public Task<IReadOnlyList<UserKey>> PutKey(string key)
    {
        var announced = new UserKey(key, Time.GetUtcNow().ToUnixTimeMilliseconds());
        return ReplaceKeysAsync([announced, .. state.State.Keys.Where(k => k.Key != key).Take(UserKey.MaxKeys - 1)]);
    }

    public Task<IReadOnlyList<UserKey>> RemoveKey(string key) => state.State.Keys.Exists(k => k.Key == key)
        ? ReplaceKeysAsync([.. state.State.Keys.Where(k => k.Key != key)])
        : Keys();

    public Task<IReadOnlyList<UserKey>> Keys() => Task.FromResult<IReadOnlyList<UserKey>>(state.State.Keys);

    public Task<UserAnswer> Request(UserRequest request) => Requests.AskAsync(request, InterestedGateways);

    public Task<UserAnswer> AwaitAnswer(string requestId) => Requests.WaitAsync(requestId);

    public Task CancelRequest(string requestId)
    {
        Requests.Cancel(requestId);
        return Task.CompletedTask;
    }

    public Task ReportAnswer(string requestId, string gatewayId, UserAnswer answer)
    {
        Requests.Reported(requestId, gatewayId, answer);
        return Task.CompletedTask;
    }

    protected override void OnForgotten(string gatewayId) => _requests?.Forget(gatewayId);

    async Task<IReadOnlyList<UserKey>> ReplaceKeysAsync(List<UserKey> keys)
    {
        state.State.Keys = keys;
        await SaveAsync();
        return keys;
    }

    /// <summary>Completes when what the state is now has been kept. What changes during a write is carried by the next one, together.</summary>
    async Task SaveAsync()
    {
        long wanted = ++_changes;
        while (_kept < wanted)
        {
            await (_saving ??= WriteAsync());
        }
    }

    async Task WriteAsync()
    {
        // Not before the task is known to whoever comes meanwhile.
        await Task.Yield();
        long written = _changes;
        try
        {
            await state.WriteStateAsync();
            _kept = written;
        }
        finally
        {
            _saving = null;
        }
    }

    protected override void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes)
    {
        // The connections are the gateways' presence itself; nobody is told of them.
    }
}
