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
}

/// <summary>A user: a channel that is the inbox, and whose presence is the user's connections.</summary>
sealed class UserGrain(
    ChannelServices services,
    [PersistentState("user", UserGrain.StorageName)] IPersistentState<UserState> state) : ChannelGrain(ChannelKind.User, services), IUserGrain
{
    public const string StorageName = "realtime";

    bool _saving;

    public Task<IReadOnlyList<UserConnection>> Connections() => Task.FromResult<IReadOnlyList<UserConnection>>(
        [.. PresenceByGateway.SelectMany(g => g.Counts.Values.Select(c => new UserConnection(c.Key, g.GatewayId, c.Transport ?? "")))]);

    public Task<int> Disconnect(string? connectionId)
    {
        int told = 0;
        foreach (var (gatewayId, counts) in PresenceByGateway)
        {
            int here = connectionId is null ? counts.Count : counts.ContainsKey(connectionId) ? 1 : 0;
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
        if (_saving)
        {
            return;
        }

        // Reports that come during a write are carried by the next one.
        _saving = true;
        try
        {
            Cursor saved;
            do
            {
                saved = state.State.Delivered;
                await state.WriteStateAsync();
            }
            while (saved != state.State.Delivered);
        }
        finally
        {
            _saving = false;
        }
    }

    protected override void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes)
    {
        // The connections are the gateways' presence itself; nobody is told of them.
    }
}
