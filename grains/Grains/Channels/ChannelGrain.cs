using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Channels;

/// <summary>
/// Owns one channel: its log, the gateways that want its events, and who is there through each of them.
/// <para>
/// All calls interleave (see <see cref="IChannelGrain"/>), because publications must be able to join the batch that waits while an append is in flight. Nothing here depends on
/// state that was read before an await. Events for one gateway leave in the order in which they were posted (see <see cref="Outbox"/>),
/// and they are posted in log order, since only one append is in flight.
/// </para>
/// </summary>
abstract class ChannelGrain : Grain, IChannelGrain
{
    /// <summary>The lease of a gateway that has not declared itself to this activation.</summary>
    const long UnknownLease = -1;

    /// <summary>How often what the next activation is to find is written again: the stores keep it for a day.</summary>
    static readonly TimeSpan KeptFor = TimeSpan.FromHours(6);

    readonly ChannelServices _services;
    readonly Dictionary<string, InterestedGateway> _gateways = [];
    string[] _interested = [];

    /// <summary>Gateways that this activation knows from one before it, and that have not said yet who is there through them.</summary>
    HashSet<string>? _undeclared;

    /// <summary>The last calls of gateways that are no longer interested, and may be again.</summary>
    Dictionary<string, long>? _departed;

    /// <summary>The silos that had gone when the leases were last asked after, and whether some have not been since.</summary>
    volatile int _departures;
    volatile bool _unwatched;
    long _lastAppend;

    /// <summary>When everything that the next activation is to find was last written, and whether some of it could not be since.</summary>
    long _kept;
    volatile bool _notKept;

    protected ChannelGrain(ChannelKind kind, ChannelServices services)
    {
        _services = services;
        Channel = new(kind, this.GetPrimaryKeyString());
        Log = new(Channel, services.Store, services.Options, services.Time, OnAppended, OnSuperseded, OnRestarted);
    }

    protected ChannelId Channel { get; }

    protected ChannelLog Log { get; }

    protected ChannelOptions Options => _services.Options;

    protected TimeProvider Time => _services.Time;

    /// <summary>Who is there, by gateway.</summary>
    protected IEnumerable<(string GatewayId, PresenceSet Counts)> PresenceByGateway => _gateways.Select(g => (g.Key, g.Value.Presence));

    /// <summary>The gateways that want the channel's events.</summary>
    protected IReadOnlyCollection<string> InterestedGateways => _interested;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var remembered = _services.Interests.ReadAsync(Channel);
        await Log.OpenAsync(cancellationToken);
        foreach (string gatewayId in await remembered)
        {
            // Its events leave at once; who is there through it is for it to say.
            _gateways.Add(gatewayId, new() { Stored = true });
            (_undeclared ??= []).Add(gatewayId);
            _unwatched = true;
            Post(gatewayId, new DeclarationRequested(Channel));
        }

        UpdateInterested();
        _kept = Time.GetTimestamp();
        _departures = _services.Departures.Count;
        _services.Housekeeping.Add(this);
    }

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _services.Housekeeping.Remove(this);

        // What has been accepted is kept and on its way before another silo takes over.
        await Log.WhenAppendedAsync().WaitAsync(cancellationToken);
        _services.Heads.Remove(this);
        await _services.Outboxes.WhenSentAsync(_interested).WaitAsync(cancellationToken);
    }

    public async Task<PublishResult> Publish(Publication publication) => (await Log.PublishAsync([publication]))[0];

    public async Task<GatewayBatchResult> Submit(GatewayBatch batch)
    {
        var declaring = Task.CompletedTask;
        if (batch.Number == 0 || batch.Number > LastNumberOf(batch.GatewayId))
        {
            declaring = batch.Interested is { } interested ? SetInterestAsync(batch.GatewayId, interested, batch.Lease) : Task.CompletedTask;
            KeepNumber(batch);
            if (batch.Presence.Length > 0 || batch.PresenceIsComplete)
            {
                ApplyPresence(batch);
            }
        }

        if (batch.Position is { } position)
        {
            await Log.CompareAsync(position);
        }

        var answer = batch.ByAnswer ? new Answer(batch.GatewayId) : null;
        PublishResult[] published = batch.Publications.Length == 0 ? [] : await Log.PublishAsync(batch.Publications, answer);
        await declaring;
        return new(Log.Head, published, answer is { Delivers: true });
    }

    public Task<HistoryPage> Read(HistoryQuery query) => Log.ReadAsync(query);

    public Task<IReadOnlyList<Message>> ReadLatest(long afterRevision) => Log.ReadLatestAsync(afterRevision);

    public async Task Forget(string gatewayId)
    {
        _departed?.Remove(gatewayId);
        if (_gateways.Remove(gatewayId, out var gateway))
        {
            UpdateInterested();
            OnPresence([.. gateway.Presence.Select(p => (p.Key, p.Connections, 0))]);
            OnForgotten(gatewayId);
        }

        Declared(gatewayId);
        await _services.Interests.SetAsync(Channel, gatewayId, interested: false);
    }

    /// <summary>Told how the presence through one gateway has changed: key, connections before, connections after.</summary>
    protected abstract void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes);

    /// <summary>Whether all gateways that were interested before this activation have said who is there through them, or are gone.</summary>
    protected bool PresenceIsComplete => _undeclared is null;

    /// <summary>Told when <see cref="PresenceIsComplete"/> has become true.</summary>
    protected virtual void OnPresenceComplete()
    {
    }

    /// <summary>Writes to the stores again what the next activation is to find there. They may have lost it, or be about to drop it.</summary>
    protected virtual Task KeepAgainAsync()
    {
        Volatile.Write(ref _kept, Time.GetTimestamp());
        _notKept = false;
        return Task.WhenAll(_gateways.Keys.Select(StoreInterestAsync));
    }

    /// <summary>Waits for a store to have what the next activation is to find there. Where it fails, everything is soon written again.</summary>
    protected async Task KeepAsync(Task writing)
    {
        try
        {
            await writing;
            _services.KeepingFails = false;
        }
        catch (ChannelUnavailableException exception)
        {
            _notKept = true;
            if (!_services.KeepingFails)
            {
                _services.KeepingFails = true;
                ChannelGrainLog.NotKept(_services.Logger, Channel, exception);
            }
        }
    }

    /// <summary>A gateway is no longer interested, or is gone.</summary>
    protected virtual void OnForgotten(string gatewayId)
    {
    }

    /// <summary>Posts an event to every interested gateway, but for one where that has it already.</summary>
    protected void PostToAll(MailboxEvent mailboxEvent, string? except = null)
    {
        foreach (string gatewayId in _interested)
        {
            if (gatewayId != except)
            {
                _services.Outboxes.Post(gatewayId, mailboxEvent);
            }
        }
    }

    protected void Post(string gatewayId, MailboxEvent mailboxEvent) => _services.Outboxes.Post(gatewayId, mailboxEvent);

    long LastNumberOf(string gatewayId) => _gateways.TryGetValue(gatewayId, out var gateway) ? gateway.LastNumber : _departed?.GetValueOrDefault(gatewayId) ?? 0;

    void KeepNumber(GatewayBatch batch)
    {
        if (_gateways.TryGetValue(batch.GatewayId, out var gateway))
        {
            gateway.LastNumber = batch.Number;
            _departed?.Remove(batch.GatewayId);
        }
        else if (batch.Interested == false)
        {
            (_departed ??= [])[batch.GatewayId] = batch.Number;
        }
    }

    async Task SetInterestAsync(string gatewayId, bool interested, long lease)
    {
        if (!interested)
        {
            await Forget(gatewayId);
            await GrainFactory.GetGrain<IGatewayGrain>(gatewayId).Unwatch(Channel);
            return;
        }

        if (!_gateways.TryGetValue(gatewayId, out var gateway))
        {
            _gateways.Add(gatewayId, gateway = new());
            UpdateInterested();
        }

        var stored = gateway.Stored ? Task.CompletedTask : StoreInterestAsync(gatewayId);
        gateway.Stored = true;
        if (gateway.WatchedLease != lease && await WatchAsync(gatewayId))
        {
            gateway.WatchedLease = lease;
        }

        await stored;
    }

    Task StoreInterestAsync(string gatewayId) => KeepAsync(_services.Interests.SetAsync(Channel, gatewayId, interested: true));

    /// <summary>Asks to be told when the gateway's lease ends. Where it fails, the next declaration tries again.</summary>
    async Task<bool> WatchAsync(string gatewayId)
    {
        try
        {
            await GrainFactory.GetGrain<IGatewayGrain>(gatewayId).Watch(Channel);
            return true;
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException)
        {
            ChannelGrainLog.NotWatched(_services.Logger, Channel, gatewayId, exception);
            _unwatched = true;
            return false;
        }
    }

    /// <summary>Whether there is something for <see cref="LookAfterAsync"/> to do. On any thread.</summary>
    internal bool NeedsCare => _unwatched || _departures != _services.Departures.Count || Log.IsTrimDue || MustKeepAgain;

    bool MustKeepAgain => _notKept || _services.Time.GetElapsedTime(Volatile.Read(ref _kept)) > KeptFor;

    /// <summary>What is to be done from time to time: for <see cref="ChannelHousekeeping"/>, on any thread. It does not throw.</summary>
    internal async Task LookAfterAsync()
    {
        try
        {
            var care = new Task<Task>(CareAsync);
            GrainContext.Scheduler.QueueTask(care);
            await care.Unwrap();
        }
        catch (Exception exception)
        {
            _unwatched = true;
            ChannelGrainLog.NotLookedAfter(_services.Logger, Channel, exception);
        }
    }

    async Task CareAsync()
    {
        // A gateway may have died together with the silo that held its lease: then nobody but this asks after it.
        int departures = _services.Departures.Count;
        var unwatched = _gateways.Where(g => g.Value.WatchedLease is null || _departures != departures).ToList();
        (_departures, _unwatched) = (departures, false);
        await Task.WhenAll(unwatched.Select(async g => g.Value.WatchedLease = await WatchAsync(g.Key) ? g.Value.WatchedLease ?? UnknownLease : null));
        if (MustKeepAgain)
        {
            await KeepAgainAsync();
        }

        await Log.TrimIfDueAsync();
    }

    void ApplyPresence(GatewayBatch batch)
    {
        if (!_gateways.TryGetValue(batch.GatewayId, out var gateway))
        {
            // A late call of a gateway that has been forgotten; it declares itself again when it sees that its lease is gone.
            return;
        }

        var presence = gateway.Presence;
        var changes = new List<(string, int, int)>();
        foreach (var count in batch.Presence)
        {
            changes.Add((count.Key, presence.Put(count), count.Connections));
        }

        if (batch.PresenceIsComplete && presence.Count > batch.Presence.Count(p => p.Connections > 0))
        {
            var listed = batch.Presence.Select(p => p.Key).ToHashSet();
            foreach (var gone in presence.Where(p => !listed.Contains(p.Key)).ToList())
            {
                changes.Add((gone.Key, presence.Put(gone with { Connections = 0 }), 0));
            }
        }

        OnPresence(changes);
        if (batch.PresenceIsComplete)
        {
            Declared(batch.GatewayId);
        }
    }

    /// <summary>It is known who is there through the gateway, or that nobody is.</summary>
    void Declared(string gatewayId)
    {
        if (_undeclared is not null && _undeclared.Remove(gatewayId) && _undeclared.Count == 0)
        {
            _undeclared = null;
            OnPresenceComplete();
        }
    }

    void UpdateInterested() => _interested = [.. _gateways.Keys];

    void OnAppended(IReadOnlyList<Message> messages, Answer? answer)
    {
        if (_interested.Length == 0)
        {
            return;
        }

        // Only where nothing else is on its way there: the publisher's gateway gets everything in the order in which it happened here.
        if (answer is not null && _gateways.ContainsKey(answer.GatewayId) && _services.Outboxes.IsIdle(answer.GatewayId))
        {
            answer.Delivers = true;
        }

        PostToAll(new ChannelMessages(Channel, Log.Head.Epoch, new(messages)), except: answer is { Delivers: true } ? answer.GatewayId : null);
        Volatile.Write(ref _lastAppend, _services.Time.GetTimestamp());
        _services.Heads.Add(this);
    }

    /// <summary>How long nothing has been published. On any thread.</summary>
    internal TimeSpan Silence => _services.Time.GetElapsedTime(Volatile.Read(ref _lastAppend));

    /// <summary>
    /// Once, some time after the last publication: before that every publication shows where the log ends. For <see cref="HeadRepeater"/>, on any thread.
    /// </summary>
    internal void RepeatHead() => GrainContext.Scheduler.QueueAction(() =>
    {
        if (Silence < Options.HeadRepetition)
        {
            _services.Heads.Add(this);
        }
        else
        {
            PostToAll(new HeadRepeated(Channel, Log.Head));
        }
    });

    void OnSuperseded()
    {
        ChannelGrainLog.Superseded(_services.Logger, Channel);
        DeactivateOnIdle();
    }

    void OnRestarted()
    {
        ChannelGrainLog.Restarted(_services.Logger, Channel);
        _ = KeepAgainAsync();
        PostToAll(new HeadRepeated(Channel, Log.Head));
    }

    /// <summary>A gateway that wants the channel's events, and who is there through it.</summary>
    sealed class InterestedGateway
    {
        public PresenceSet Presence { get; } = new();

        /// <summary>The lease whose end this channel is to be told of; a lease that was lost has forgotten that.</summary>
        public long? WatchedLease { get; set; }

        /// <summary>Whether the interest store has been told of it.</summary>
        public bool Stored { get; set; }

        /// <summary>Of its calls, the last.</summary>
        public long LastNumber { get; set; }
    }
}

static partial class ChannelGrainLog
{
    [LoggerMessage(1, LogLevel.Warning, "The log of {Channel} is owned by another activation; this one gives way.")]
    public static partial void Superseded(ILogger logger, ChannelId channel);

    [LoggerMessage(2, LogLevel.Warning, "The store has lost messages of {Channel}; its log goes on in a new epoch.")]
    public static partial void Restarted(ILogger logger, ChannelId channel);

    [LoggerMessage(3, LogLevel.Warning, "What the next activation of {Channel} is to know could not be written; it is tried again. Said once until something is written again.")]
    public static partial void NotKept(ILogger logger, ChannelId channel, Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "{Channel} could not ask after gateway {GatewayId}; it is tried again.")]
    public static partial void NotWatched(ILogger logger, ChannelId channel, string gatewayId, Exception exception);

    [LoggerMessage(5, LogLevel.Warning, "{Channel} could not be looked after; it is tried again.")]
    public static partial void NotLookedAfter(ILogger logger, ChannelId channel, Exception exception);
}
