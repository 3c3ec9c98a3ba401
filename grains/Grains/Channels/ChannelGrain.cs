using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OrleansRealtime.Gateways;
using OrleansRealtime.Mailboxes;

namespace OrleansRealtime.Channels;

/// <summary>What every channel's grain needs of its silo.</summary>
sealed class ChannelServices(
    IChannelStore store, IOptions<ChannelOptions> options, Outboxes outboxes, TimeProvider time, ILoggerFactory loggers)
{
    public IChannelStore Store { get; } = store;

    public ChannelOptions Options { get; } = options.Value;

    public Outboxes Outboxes { get; } = outboxes;

    public TimeProvider Time { get; } = time;

    public ILogger Logger { get; } = loggers.CreateLogger("OrleansRealtime.Channels");
}

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
    readonly ChannelServices _services;
    readonly Dictionary<string, Dictionary<string, PresenceCount>> _gateways = [];
    string[] _interested = [];
    IGrainTimer? _headTimer;
    long _lastAppend;

    protected ChannelGrain(ChannelKind kind, ChannelServices services)
    {
        _services = services;
        Channel = new(kind, this.GetPrimaryKeyString());
        Log = new(Channel, services.Store, services.Options, services.Time, OnAppended, OnSuperseded);
    }

    protected ChannelId Channel { get; }

    protected ChannelLog Log { get; }

    protected ChannelOptions Options => _services.Options;

    /// <summary>Who is there, by gateway.</summary>
    protected IEnumerable<(string GatewayId, IReadOnlyDictionary<string, PresenceCount> Counts)> PresenceByGateway =>
        _gateways.Select(g => (g.Key, (IReadOnlyDictionary<string, PresenceCount>)g.Value));

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        await Log.OpenAsync(cancellationToken);
        this.RegisterGrainTimer(_ => Log.TrimIfDueAsync(), (object?)null, new GrainTimerCreationOptions(TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)) { Interleave = true });
    }

    public async Task<PublishResult> Publish(Publication publication) => (await Log.PublishAsync([publication]))[0];

    public async Task<GatewayBatchResult> Submit(GatewayBatch batch)
    {
        var watch = Task.CompletedTask;
        if (batch.Interested is { } interested)
        {
            watch = SetInterest(batch.GatewayId, interested);
        }

        if (batch.Presence.Count > 0 || batch.PresenceIsComplete)
        {
            ApplyPresence(batch);
        }

        PublishResult[] published = batch.Publications.Count == 0 ? [] : await Log.PublishAsync(batch.Publications);
        await watch;
        return new(Log.Head, published);
    }

    public Task<HistoryPage> Read(HistoryQuery query) => Log.ReadAsync(query);

    public Task<IReadOnlyList<Message>> ReadLatest(long afterRevision) => Log.ReadLatestAsync(afterRevision);

    public Task Forget(string gatewayId)
    {
        if (_gateways.Remove(gatewayId, out var presence))
        {
            UpdateInterested();
            OnPresence([.. presence.Values.Select(p => (p.Key, p.Connections, 0))]);
        }

        return Task.CompletedTask;
    }

    /// <summary>Told how the presence through one gateway has changed: key, connections before, connections after.</summary>
    protected abstract void OnPresence(IReadOnlyList<(string Key, int Before, int After)> changes);

    /// <summary>Posts an event to every interested gateway.</summary>
    protected void PostToAll(MailboxEvent mailboxEvent)
    {
        foreach (string gatewayId in _interested)
        {
            _services.Outboxes.Post(gatewayId, mailboxEvent);
        }
    }

    protected void Post(string gatewayId, MailboxEvent mailboxEvent) => _services.Outboxes.Post(gatewayId, mailboxEvent);

    async Task SetInterest(string gatewayId, bool interested)
    {
        var gateway = GrainFactory.GetGrain<IGatewayGrain>(gatewayId);
        if (!interested)
        {
            await Forget(gatewayId);
            await gateway.Unwatch(Channel);
        }
        else if (_gateways.TryAdd(gatewayId, []))
        {
            UpdateInterested();
            await gateway.Watch(Channel);
        }
    }

    void ApplyPresence(GatewayBatch batch)
    {
        if (!_gateways.TryGetValue(batch.GatewayId, out var presence))
        {
            // A late call of a gateway that has been forgotten; it declares itself again when it sees that its lease is gone.
            return;
        }

        var changes = new List<(string, int, int)>();
        foreach (var count in batch.Presence)
        {
            int before = presence.TryGetValue(count.Key, out var known) ? known.Connections : 0;
            if (count.Connections > 0)
            {
                presence[count.Key] = count;
            }
            else
            {
                presence.Remove(count.Key);
            }

            changes.Add((count.Key, before, count.Connections));
        }

        if (batch.PresenceIsComplete && presence.Count > batch.Presence.Count(p => p.Connections > 0))
        {
            var listed = batch.Presence.Select(p => p.Key).ToHashSet();
            foreach (var gone in presence.Values.Where(p => !listed.Contains(p.Key)).ToList())
            {
                presence.Remove(gone.Key);
                changes.Add((gone.Key, gone.Connections, 0));
            }
        }

        OnPresence(changes);
    }

    void UpdateInterested() => _interested = [.. _gateways.Keys];

    void OnAppended(IReadOnlyList<Message> messages)
    {
        if (_interested.Length == 0)
        {
            return;
        }

        PostToAll(new ChannelMessages(Channel, Log.Head.Epoch, messages));
        _lastAppend = _services.Time.GetTimestamp();
        _headTimer ??= this.RegisterGrainTimer(
            _ => RepeatHead(),
            (object?)null,
            new GrainTimerCreationOptions(Options.HeadRepetition, Options.HeadRepetition) { Interleave = true });
    }

    Task RepeatHead()
    {
        // The timer runs on while there are publications, and repeats the head of what has come to rest.
        PostToAll(new HeadRepeated(Channel, Log.Head));
        if (_services.Time.GetElapsedTime(_lastAppend) >= Options.HeadRepetition)
        {
            _headTimer?.Dispose();
            _headTimer = null;
        }

        return Task.CompletedTask;
    }

    void OnSuperseded()
    {
        ChannelGrainLog.Superseded(_services.Logger, Channel);
        DeactivateOnIdle();
    }
}

static partial class ChannelGrainLog
{
    [LoggerMessage(1, LogLevel.Warning, "The log of {Channel} is owned by another activation; this one gives way.")]
    public static partial void Superseded(ILogger logger, ChannelId channel);
}
