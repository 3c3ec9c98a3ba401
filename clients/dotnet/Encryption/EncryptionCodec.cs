using System.Collections.Concurrent;
using System.Text.Json;
using OrleansRealtime.Client.Connections;

namespace OrleansRealtime.Client.Encryption;

/// <summary>Encrypts what the client sends and decrypts what it receives, and takes part in the exchange of room keys.</summary>
sealed class EncryptionCodec(RealtimeClient client, RealtimeEncryption owner, EncryptionOptions options) : IMessageCodec, IExchangeHost
{
    const string RoomKeyEvent = "e2e:room-key";

    /// <summary>Messages that were refused since their key was not known, and are tried again when it comes.</summary>
    const int MaxLate = 1000;

    /// <summary>Keys that were handed over of rooms that the application has not declared (yet).</summary>
    const int MaxUndeclared = 200;

    /// <summary>How often the directory is asked about a sender before his message is refused; the first pause, doubled each time.</summary>
    const int LookUps = 5;

    static readonly TimeSpan s_lookUpPause = TimeSpan.FromMilliseconds(500);

    readonly Lock _lock = new();
    readonly string _session = Nacl.NewId(), _handOverSession = Nacl.NewId();
    readonly ConcurrentDictionary<string, RoomExchange> _rooms = new(StringComparer.Ordinal);

    // What the application has declared to be encrypted.
    readonly ConcurrentDictionary<string, bool> _declared = new(StringComparer.Ordinal), _users = new(StringComparer.Ordinal);
    readonly Dictionary<string, Replays> _replays = [];
    readonly Dictionary<(string Session, string Conversation), long> _counts = [];
    readonly Dictionary<string, string> _used = [];
    readonly Turn _handing = new();
    readonly LinkedList<(string Room, string KeyId, RealtimeMessage Message)> _late = [];
    readonly Queue<(HandOver HandOver, string From)> _undeclared = new();
    Identity? _identity;
    (HubLink Link, Task Task)? _announced;

    public string User => client.User ?? throw new RealtimeClientException(RealtimeClientErrors.ConnectionLost, "Whose client this is is known once it has a token.");

    public string Own => Me.Device.Name;

    public TimeProvider Time => client.Options.Time;

    /// <summary>Known once there is a token.</summary>
    public Identity Me
    {
        get
        {
            lock (_lock)
            {
                return _identity ??= Begin();
            }
        }
    }

    // ---- The connection -----------------------------------------------------------------------------------------------

    public bool Decodes(string? room) => room is null || _declared.ContainsKey(room);

    public void DeclareRoom(string room) => _declared[room] = true;

    public void DeclareUser(string user) => _users[user] = true;

    public async Task OnConnectedAsync(HubLink link, CancellationToken cancellationToken)
    {
        try
        {
            await AnnounceAsync(link).WaitAsync(cancellationToken);
        }
        catch (RealtimeClientException exception) when (exception.IsPermanent)
        {
            // The rest of the client works; whoever sends something encrypted is told.
            OnFailed(exception);
        }
    }

    public void OnDisconnected()
    {
        foreach (var exchange in _rooms.Values)
        {
            exchange.EndStay();
        }
    }

    public void OnJoined(HubLink link, string room)
    {
        if (Decodes(room))
        {
            var exchange = Exchange(room);
            Forget(exchange.BeginStayAsync(link), link);

            // Perhaps somebody is there now who has what nobody had before.
            foreach (var (_, keyId, _) in Late(room))
            {
                _ = exchange.FindAsync(keyId);
            }
        }
    }

    public void OnLeft(string room)
    {
        if (_rooms.TryGetValue(room, out var exchange))
        {
            exchange.EndStay();
        }
    }

    public void OnPresence(PresenceChange change)
    {
        if (_rooms.TryGetValue(change.Room, out var exchange))
        {
            exchange.OnPresence(change);
        }
    }

    public void Close()
    {
        foreach (var exchange in _rooms.Values)
        {
            exchange.Close();
        }
    }

    Task AnnounceAsync(HubLink link)
    {
        lock (_lock)
        {
            if (_announced is not { } announced || announced.Link != link || announced.Task.IsFaulted)
            {
                announced = (link, link.InvokeAsync("PutKey", [Own], CancellationToken.None));
                _announced = announced;
            }

            return announced.Task;
        }
    }

    Identity Begin()
    {
        var store = new DeviceStore(options.Store, User);
        var device = store.Device();
        return new(store, device, new(ListAsync, store, options.VerifiedOnly, User, device.Name, Time, owner.OnKeyChanged));
    }

    async Task<IReadOnlyList<string>> ListAsync(string user) => [.. (await client.InvokeAsync<ListedKeys>("Keys", [user], CancellationToken.None)).Keys.Select(k => k.Key)];

    // ---- Sending ------------------------------------------------------------------------------------------------------

    public async ValueTask<JsonElement> EncodeAsync(HubLink link, SentMessage message, CancellationToken cancellationToken)
    {
        var (kind, name) = message.Target;
        bool direct = kind == Sending.TargetKind.User;
        if (direct ? !_users.ContainsKey(name) : !_declared.ContainsKey(name))
        {
            return message.Data;
        }

        if (message.Event.StartsWith("e2e:", StringComparison.Ordinal))
        {
            throw new RealtimeClientException("invalid_argument", "Events that begin with 'e2e:' are the encryption's own.");
        }

        await AnnounceAsync(link).WaitAsync(cancellationToken);
        return direct ? await EncodeDirectAsync(message, name) : await EncodeForRoomAsync(link, message, name, cancellationToken);
    }

    async Task<JsonElement> EncodeDirectAsync(SentMessage message, string user)
    {
        var recipients = await Me.Directory.UsableAsync(user);
        if (recipients.Count == 0)
        {
            throw (await Me.Directory.CurrentAsync(user)).Count == 0
                ? new RealtimeClientException("no_keys", $"'{user}' has announced no key, so nothing can be encrypted for that user.")
                : new RealtimeClientException(RefusalCodes.UnverifiedKey, $"No key of '{user}' has been verified, and only verified keys are to be used.");
        }

        var fields = new MessageFields(User, user, null, message.Event, message.MessageId, message.Key);
        return Envelope.SealDirect(fields, NextCount(_session, $"direct:{user}"), message.Data, Me.Device, recipients);
    }

    async Task<JsonElement> EncodeForRoomAsync(HubLink link, SentMessage message, string room, CancellationToken cancellationToken)
    {
        if (!client.Room(room).IsWanted)
        {
            throw new RealtimeClientException("not_a_member", $"Join '{room}' before sending to it.");
        }

        var exchange = Exchange(room);
        if (!exchange.IsInStay && client.Room(room).IsJoined)
        {
            // It could not be learnt before who is there.
            await exchange.BeginStayAsync(link).WaitAsync(cancellationToken);
        }

        var key = await exchange.ToEncryptWithAsync(cancellationToken);
        bool rotated;
        lock (_lock)
        {
            rotated = _used.GetValueOrDefault(room) != key.Id;
            _used[room] = key.Id;
        }

        if (rotated)
        {
            owner.OnRotated(new(room, key.Id, key.Generation));
        }

        var fields = new MessageFields(User, null, room, message.Event, message.MessageId, message.Key);
        return Envelope.SealRoom(fields, NextCount(_session, $"room:{room}"), message.Data, Me.Device, key);
    }

    Count NextCount(string session, string conversation)
    {
        lock (_lock)
        {
            long n = _counts.GetValueOrDefault((session, conversation)) + 1;
            _counts[(session, conversation)] = n;
            return new(session, n);
        }
    }

    // ---- Receiving ----------------------------------------------------------------------------------------------------

    public bool Intercept(string? room, RealtimeMessage message)
    {
        if (room is not null && message.Event == KeyRequest.Event)
        {
            if (_rooms.TryGetValue(room, out var exchange))
            {
                _ = exchange.AnswerAsync(message.Data, message.From);
            }

            return true;
        }

        if (room is null && message.Event == RoomKeyEvent)
        {
            // Not behind messages that wait for it.
            _ = TakeHandOverAsync(message);
            return true;
        }

        return false;
    }

    public async ValueTask<RealtimeMessage?> DecodeAsync(string? room, RealtimeMessage message, bool live)
    {
        try
        {
            if (room is null && message.Event == RoomKeyEvent)
            {
                await TakeHandOverAsync(message);
                return null;
            }

            if (message.Event == KeyRequest.Event)
            {
                return null;
            }

            // Whoever writes first writes encrypted, although the application has not declared the conversation.
            bool encrypted = room is not null ? _declared.ContainsKey(room)
                : (message.From is { } from && _users.ContainsKey(from)) || message.Data.Property("e2e").Whole() == 1;
            return encrypted ? await OpenAsync(room, message) : message;
        }
        catch (Exception exception)
        {
            OnFailed(exception);
            owner.OnRefused(new(RefusalCodes.Malformed, $"It could not be decrypted: {exception.Message}", message));
            return null;
        }
    }

    /// <summary>Reports what is refused.</summary>
    async Task<RealtimeMessage?> OpenAsync(string? room, RealtimeMessage message)
    {
        var (refusal, data) = await TryOpenAsync(room, message);
        if (refusal is null)
        {
            return message with { Data = data, IsEncrypted = true };
        }

        if (refusal == RefusalCodes.UnknownRoomKey)
        {
            AddLate(room!, message);
        }

        Refuse(refusal, message);
        return null;
    }

    void Refuse(string code, RealtimeMessage message)
    {
        // Keys that were handed over before this device existed it asks for, where it needs them.
        if (message.Event != RoomKeyEvent || code != RefusalCodes.NotForThisDevice)
        {
            owner.OnRefused(new(code, RefusalCodes.Explain(code), message));
        }
    }

    async Task<(string? Refusal, JsonElement Data)> TryOpenAsync(string? room, RealtimeMessage message)
    {
        var (store, device, directory) = Me;
        string? sender = Envelope.SenderOf(message.Data);
        if (sender is not null && message.From is { } from)
        {
            await LookUpAsync(directory, from, sender);
            if (room is not null && client.Room(room).IsWanted && directory.IsKeyOf(from, sender) && directory.MayUse(from, sender))
            {
                // Nobody hands out keys to who is not in the room.
                await FindKeyAsync(room, message);
            }
        }

        // Hand-overs are taken beside the others, so they may come sooner.
        string conversation = room is not null ? $"room:{room}" : message.Event == RoomKeyEvent ? $"keys:{message.From}" : $"direct:{message.From}";
        lock (_lock)
        {
            if (!_replays.TryGetValue(conversation, out var replays))
            {
                _replays[conversation] = replays = new();
                foreach (var (session, highest) in store.Highest(conversation))
                {
                    replays.Restore(session, highest);
                }
            }

            var reader = new Reader(device, directory.IsKeyOf, directory.MayUse, id => room is null ? null : Exchange(room).Find(id), replays);
            string? refusal = reader.Open(room, User, message, out var opened, out string? forgotten);
            if (refusal is null)
            {
                string session = Reader.SessionName(message.From!, sender!, opened.Count.Session);
                store.KeepHighest(conversation, session, replays.HighestOf(session));
            }

            if (forgotten is not null)
            {
                store.ForgetSession(conversation, forgotten);
            }

            return (refusal, opened.Data);
        }
    }

    Task FindKeyAsync(string room, RealtimeMessage message) =>
        Envelope.ReadRoom(message.Data, out var envelope) is null ? Exchange(room).FindAsync(envelope.KeyId) : Task.CompletedTask;

    /// <summary>A message is not refused because the directory cannot be asked: it waits.</summary>
    async Task LookUpAsync(KeyDirectory directory, string from, string sender)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await directory.PrepareAsync(from, sender);
                return;
            }
            catch (RealtimeClientException exception)
            {
                if (attempt == LookUps || exception.IsPermanent)
                {
                    OnFailed(exception);
                    return;
                }
            }

            await Task.Delay(s_lookUpPause * Math.Pow(2, attempt - 1), Time);
        }
    }

    // ---- Room keys ----------------------------------------------------------------------------------------------------

    public Task RequestAsync(HubLink link, string room, KeyRequest request, CancellationToken cancellationToken) =>
        link.InvokeAsync("SendWith", [room, KeyRequest.Event, request.Write(), new { messageId = Nacl.NewId(), delivery = "transient" }], cancellationToken);

    public async Task HandOverAsync(HubLink link, string user, HandOver handOver, CancellationToken cancellationToken)
    {
        var recipients = await Me.Directory.UsableAsync(user);
        if (recipients.All(key => user == User && key == Own))
        {
            return;
        }

        var fields = new MessageFields(User, user, null, RoomKeyEvent, Nacl.NewId());
        var data = Envelope.SealDirect(
            fields, NextCount(_handOverSession, user), JsonSerializer.SerializeToElement(handOver, JsonSerializerOptions.Web), Me.Device, recipients);
        await link.InvokeAsync("SendToUser", [user, fields.Event, data, fields.MessageId], cancellationToken);
    }

    public async Task<IReadOnlyList<string>> PresenceAsync(HubLink link, string room, CancellationToken cancellationToken)
    {
        var presence = await link.InvokeAsync<RoomPresence>("Presence", [room], cancellationToken);
        return presence.Members <= presence.List.Count ? [.. presence.List.Select(member => member.User)] : throw new RealtimeClientException(
            "room_too_large", $"'{room}' has {presence.Members} members, of whom the server names {presence.List.Count}: rooms as large are not encrypted.");
    }

    public async Task<bool> MayHandAsync(string user, string key) => await Me.Directory.ListsAsync(user, key) && Me.Directory.MayUse(user, key);

    public void Keep(string room, RoomKey key, RoomKey? displaced)
    {
        lock (_lock)
        {
            Me.Store.KeepRoomKey(room, key, Time.GetUtcNow());
            if (displaced is not null)
            {
                Me.Store.ForgetRoomKey(room, displaced.Id);
            }
        }
    }

    public void OnFailed(Exception exception) => owner.OnFailed(exception);

    RoomExchange Exchange(string room)
    {
        if (_rooms.TryGetValue(room, out var exchange))
        {
            return exchange;
        }

        lock (_lock)
        {
            if (!_rooms.TryGetValue(room, out exchange))
            {
                _rooms[room] = exchange = new(room, this, options, Me.Store.RoomKeys(room));
                foreach (var (handOver, from) in _undeclared.Where(each => each.HandOver.Room == room))
                {
                    exchange.OnHanded(handOver, from);
                }
            }

            return exchange;
        }
    }

    /// <summary>One after the other, in the order in which they came. Never fails.</summary>
    async Task TakeHandOverAsync(RealtimeMessage message)
    {
        var turn = _handing.TakeAsync(CancellationToken.None);
        using var taken = await turn;
        try
        {
            if (await OpenAsync(null, message) is not { } opened)
            {
                return;
            }

            if (HandOver.Read(opened.Data) is not { } handOver)
            {
                Refuse(RefusalCodes.Malformed, message);
                return;
            }

            if (!_declared.ContainsKey(handOver.Room))
            {
                lock (_lock)
                {
                    _undeclared.Enqueue((handOver, message.From!));
                    if (_undeclared.Count > MaxUndeclared)
                    {
                        _undeclared.Dequeue();
                    }
                }

                return;
            }

            Exchange(handOver.Room).OnHanded(handOver, message.From!);
            await OpenLateAsync(handOver.Room);
        }
        catch (Exception exception)
        {
            OnFailed(exception);
        }
    }

    void AddLate(string room, RealtimeMessage message)
    {
        lock (_lock)
        {
            if (_late.Any(late => late.Room == room && late.Message.Place is { } place && place == message.Place))
            {
                return;
            }

            _late.AddLast((room, message.Data.Property("key").Text()!, message));
            if (_late.Count > MaxLate)
            {
                _late.RemoveFirst();
            }
        }
    }

    List<(string Room, string KeyId, RealtimeMessage Message)> Late(string room)
    {
        lock (_lock)
        {
            return [.. _late.Where(late => late.Room == room)];
        }
    }

    /// <summary>What had been given up can be read after all.</summary>
    async Task OpenLateAsync(string room)
    {
        var exchange = Exchange(room);
        foreach (var late in Late(room).Where(late => exchange.Find(late.KeyId) is not null))
        {
            lock (_lock)
            {
                _late.Remove(late);
            }

            if (await OpenAsync(room, late.Message) is { } opened)
            {
                owner.OnAmended(opened);
            }
        }
    }

    /// <summary>A lost connection explains its failure.</summary>
    void Forget(Task task, HubLink link) => _ = task.ContinueWith(
        failed =>
        {
            if (failed.Exception?.InnerException is { } exception && exception is not OperationCanceledException && !link.Ended.IsCompleted)
            {
                OnFailed(exception);
            }
        },
        TaskScheduler.Default);

    /// <summary>Who this client is.</summary>
    public sealed record Identity(DeviceStore Store, DeviceKey Device, KeyDirectory Directory);

    sealed record ListedKeys(IReadOnlyList<ListedKey> Keys);

    sealed record ListedKey(string Key);
}
