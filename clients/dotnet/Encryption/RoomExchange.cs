using System.Text.Json;
using OrleansRealtime.Client.Connections;

namespace OrleansRealtime.Client.Encryption;

/// <summary>What an exchange needs of the rest.</summary>
interface IExchangeHost
{
    string User { get; }

    /// <summary>This device's public key.</summary>
    string Own { get; }

    TimeProvider Time { get; }

    /// <summary>Publishes a request to the room, in front of everybody.</summary>
    Task RequestAsync(HubLink link, string room, KeyRequest request, CancellationToken cancellationToken);

    /// <summary>Encrypts it for all devices of the user. Fails where there is none.</summary>
    Task HandOverAsync(HubLink link, string user, HandOver handOver, CancellationToken cancellationToken);

    /// <summary>Who the server says is in the room. Fails where that does not tell everybody.</summary>
    Task<IReadOnlyList<string>> PresenceAsync(HubLink link, string room, CancellationToken cancellationToken);

    /// <summary>Whether the directory lists this key of the user's, and it may be used.</summary>
    Task<bool> MayHandAsync(string user, string key);

    /// <param name="displaced">One that is not kept any more.</param>
    void Keep(string room, RoomKey key, RoomKey? displaced);

    /// <summary>Something that nobody waits for has failed.</summary>
    void OnFailed(Exception exception);
}

/// <summary>How the members of one room come to have the same keys: asking, handing over, making new ones (docs/encryption.md, "Rooms").</summary>
sealed class RoomExchange
{
    /// <summary>Requests of one device that are answered within the period: each costs a message.</summary>
    const int MaxAnswers = 20;

    static readonly TimeSpan s_answersPeriod = TimeSpan.FromSeconds(10);

    readonly Lock _lock = new();
    readonly string _room;
    readonly IExchangeHost _host;
    readonly EncryptionOptions _options;

    // All under the lock.
    readonly RoomKeys _keys;
    readonly Dictionary<string, Wanted> _wanted = [];
    readonly HashSet<string> _givenUp = [];
    readonly Dictionary<string, (long Since, int Count)> _answered = [];
    Stay? _stay;
    Task<RoomKey>? _getting, _making;
    TaskCompletionSource? _freshCame;

    // The changes since the oldest question who is in the room that has not been answered.
    List<PresenceChange>? _meanwhile;
    int _questions;
    bool _asking;

    public RoomExchange(string room, IExchangeHost host, EncryptionOptions options, IEnumerable<(byte[] Key, int Generation)> known)
    {
        _room = room;
        _host = host;
        _options = options;
        _keys = new(room, host.User);
        foreach (var (key, generation) in known)
        {
            _keys.Add(key, generation, out _);
        }
    }

    public bool IsInStay => Locked(() => _stay is not null);

    public byte[]? Find(string id)
    {
        lock (_lock)
        {
            return _keys.Find(id)?.Key;
        }
    }

    // ---- The stay -----------------------------------------------------------------------------------------------------

    /// <summary>The room has been joined, or joined again. Completes when it is known who is in it.</summary>
    public Task BeginStayAsync(HubLink link)
    {
        lock (_lock)
        {
            EndStay();
            var stay = _stay = new Stay(link, new CancellationTokenSource());
            stay.Entered = EnterAsync(stay);
            return stay.Entered;
        }
    }

    /// <summary>The room has been left, or the connection lost.</summary>
    public void EndStay()
    {
        lock (_lock)
        {
            _stay?.End();
            _stay = null;
            _getting = _making = null;
            _givenUp.Clear();
            _answered.Clear();
            _keys.EndStay();
        }
    }

    /// <summary>The server tells who has come and gone; and nobody's name where there are too many.</summary>
    public void OnPresence(PresenceChange change)
    {
        Stay? stay;
        lock (_lock)
        {
            _meanwhile?.Add(change);
            foreach (string user in change.Left)
            {
                _keys.Left(user);
            }

            foreach (string user in change.Joined)
            {
                _keys.Joined(user);
            }

            stay = _stay;
        }

        if (stay is not null && change.Left.Count + change.Joined.Count == 0)
        {
            Forget(LearnPresenceAsync(stay), stay);
        }
    }

    async Task EnterAsync(Stay stay)
    {
        // Not under the lock of who begins it.
        await Task.Yield();
        try
        {
            await LearnPresenceAsync(stay);
        }
        catch
        {
            lock (_lock)
            {
                if (_stay == stay)
                {
                    EndStay();
                }
            }

            throw;
        }

        AskForWanted();
    }

    /// <summary>The answer may be older than the changes that have come while it was waited for.</summary>
    async Task LearnPresenceAsync(Stay stay)
    {
        List<PresenceChange> meanwhile;
        int from;
        lock (_lock)
        {
            meanwhile = _meanwhile ??= [];
            from = meanwhile.Count;
            _questions++;
        }

        try
        {
            HashSet<string> present = [.. await _host.PresenceAsync(stay.Link, _room, stay.Over)];
            lock (_lock)
            {
                foreach (var change in meanwhile.Skip(from))
                {
                    present.ExceptWith(change.Left);
                    present.UnionWith(change.Joined);
                }

                if (_stay == stay)
                {
                    _keys.Present(present);
                }
            }
        }
        finally
        {
            lock (_lock)
            {
                if (--_questions == 0)
                {
                    _meanwhile = null;
                }
            }
        }
    }

    // ---- A key to encrypt with ----------------------------------------------------------------------------------------

    /// <summary>The one to encrypt the next message with, which is fresh at this moment and has been handed to everybody.</summary>
    /// <exception cref="RealtimeClientException"><c>connection_lost</c> outside of a stay: not before the room has been joined again.</exception>
    public async Task<RoomKey> ToEncryptWithAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wait;
            lock (_lock)
            {
                if (_making is null && _keys.ToEncryptWith() is { } fresh)
                {
                    return fresh;
                }

                var stay = _stay ?? throw NotInRoom();
                wait = !stay.Entered.IsCompletedSuccessfully ? stay.Entered : _making ?? (_getting ??= GetAsync(stay));
            }

            try
            {
                await wait.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
            {
                throw NotInRoom(exception);
            }
        }
    }

    async Task<RoomKey> GetAsync(Stay stay)
    {
        await Task.Yield();
        try
        {
            if (!Locked(() => _keys.IsFirst()))
            {
                string ask = Locked(() => stay.NewAsk());
                for (int attempt = 1; attempt <= 2; attempt++)
                {
                    var came = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    Locked(() => _freshCame = came);
                    await _host.RequestAsync(stay.Link, _room, new(_host.Own, ask, attempt, []), stay.Over);
                    await WithinAsync(came.Task, stay);
                    if (Locked(() => _keys.ToEncryptWith()) is { } fresh)
                    {
                        return fresh;
                    }
                }
            }

            return await MakeOnceAsync(stay);
        }
        finally
        {
            lock (_lock)
            {
                if (_stay == stay)
                {
                    _getting = null;
                }
            }
        }
    }

    Task<RoomKey> MakeOnceAsync(Stay stay)
    {
        lock (_lock)
        {
            return _stay == stay ? _making ??= MakeAsync(stay) : throw NotInRoom();
        }
    }

    /// <summary>Everybody in the room has it before the first message under it.</summary>
    async Task<RoomKey> MakeAsync(Stay stay)
    {
        await Task.Yield();
        try
        {
            RoomKey made;
            RoomKey? displaced;
            HandOver handOver;
            IReadOnlyCollection<string> users;
            lock (_lock)
            {
                stay.Over.ThrowIfCancellationRequested();
                made = _keys.Make(out displaced);
                handOver = _keys.ToHandOver(made, null);
                users = _keys.Users;
            }

            _host.Keep(_room, made, displaced);

            // Who has no keys does not encrypt; who cannot be reached now will ask.
            await Task.WhenAll(users.Select(user => _host.HandOverAsync(stay.Link, user, handOver, stay.Over))).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return made;
        }
        finally
        {
            lock (_lock)
            {
                if (_stay == stay)
                {
                    _making = null;
                }
            }
        }
    }

    // ---- Keys to read with --------------------------------------------------------------------------------------------

    /// <summary>Waits for the key, which is asked for; it may not have come when this completes.</summary>
    public Task FindAsync(string id)
    {
        Wanted? wanted;
        lock (_lock)
        {
            if (_keys.Find(id) is not null || _givenUp.Contains(id))
            {
                return Task.CompletedTask;
            }

            if (_wanted.TryGetValue(id, out wanted))
            {
                return wanted.Came.Task;
            }

            wanted = new();
            wanted.Timer = _host.Time.CreateTimer(_ => GiveUp(id), null, _options.KeyTimeout, Timeout.InfiniteTimeSpan);
            _wanted.Add(id, wanted);
        }

        AskForWanted();
        return wanted.Came.Task;
    }

    /// <summary>A member hands over a key, in a direct message that has been opened.</summary>
    public void OnHanded(HandOver handOver, string from)
    {
        RoomKey key;
        RoomKey? displaced;
        lock (_lock)
        {
            bool answersOwn = handOver.Ask is { } ask && (_stay?.Asks.Contains(ask) ?? false);
            key = _keys.Handed(handOver, from, answersOwn, out displaced);
            _givenUp.Remove(key.Id);
            if (_wanted.Remove(key.Id, out var wanted))
            {
                wanted.End();
            }

            if (_keys.IsFresh(key.Id))
            {
                _freshCame?.TrySetResult();
            }
        }

        _host.Keep(_room, key, displaced);
    }

    /// <summary>Nobody waits any more.</summary>
    public void Close()
    {
        EndStay();
        foreach (string id in Locked(() => _wanted.Keys.ToList()))
        {
            GiveUp(id);
        }
    }

    void GiveUp(string id)
    {
        lock (_lock)
        {
            if (_wanted.Remove(id, out var wanted))
            {
                if (_stay is not null)
                {
                    _givenUp.Add(id);
                }

                wanted.End();
            }
        }
    }

    /// <summary>One request after the other, and those that are wanted meanwhile together.</summary>
    void AskForWanted()
    {
        Stay stay;
        List<string> ids;
        lock (_lock)
        {
            if (_stay is null || !_keys.IsPresent(_host.User) || _asking || _wanted.Keys.All(_stay.Ids.Contains))
            {
                return;
            }

            _asking = true;
            stay = _stay;
            ids = [.. _wanted.Keys.Take(KeyRequest.MaxIds)];
            stay.Ids.UnionWith(ids);
        }

        Forget(AskForAsync(ids, stay), stay);
    }

    async Task AskForAsync(List<string> ids, Stay stay)
    {
        await Task.Yield();
        try
        {
            string ask = Locked(() => stay.NewAsk());
            for (int attempt = 1; attempt <= 2; attempt++)
            {
                List<string> missing = Locked(() => ids.Where(_wanted.ContainsKey).ToList());
                if (missing.Count == 0)
                {
                    return;
                }

                var came = Locked(() => missing.Select(id => _wanted[id].Came.Task).ToList());
                await _host.RequestAsync(stay.Link, _room, new(_host.Own, ask, attempt, missing), stay.Over);
                await WithinAsync(Task.WhenAll(came), stay);
            }
        }
        finally
        {
            Locked(() => _asking = false);
            AskForWanted();
        }
    }

    // ---- What others ask for ------------------------------------------------------------------------------------------

    /// <summary>Answers where this is for this client to do. Never fails.</summary>
    public async Task AnswerAsync(JsonElement data, string? from)
    {
        var stay = Locked(() => _stay);
        if (stay is null || from is null || KeyRequest.Read(data) is not { } request || request.Sender == _host.Own)
        {
            return;
        }

        try
        {
            await stay.Entered;
            if (!Locked(() => _keys.IsPresent(from)))
            {
                // The request may have come before the news of who has joined.
                await LearnPresenceAsync(stay);
            }

            bool ownDevice = from == _host.User, first;
            lock (_lock)
            {
                if (_stay != stay || !_keys.IsPresent(from))
                {
                    return;
                }

                _keys.MayHave(from);
                first = !ownDevice && _keys.IsFirst(from);
            }

            bool isForUs = first || ownDevice || request.Attempt == 2;
            if (!isForUs || !await _host.MayHandAsync(from, request.Sender) || IsTooMany(request.Sender))
            {
                return;
            }

            foreach (var key in await AnswersToAsync(request, first, stay))
            {
                if (Locked(() => _stay == stay && _keys.IsPresent(from) ? _keys.ToHandOver(key, request.Ask) : null) is { } handOver)
                {
                    await _host.HandOverAsync(stay.Link, from, handOver, stay.Over);
                }
            }
        }
        catch (Exception exception)
        {
            if (!stay.Over.IsCancellationRequested)
            {
                _host.OnFailed(exception);
            }
        }
    }

    async Task<List<RoomKey>> AnswersToAsync(KeyRequest request, bool first, Stay stay)
    {
        if (request.Ids.Count > 0)
        {
            return Locked(() => request.Ids.Select(_keys.Find).OfType<RoomKey>().ToList());
        }

        if (first && Locked(() => _keys.ToEncryptWith()) is null)
        {
            await MakeOnceAsync(stay);
        }

        return Locked(() => _keys.ToEncryptWith()) is { } fresh ? [fresh] : [];
    }

    bool IsTooMany(string sender)
    {
        lock (_lock)
        {
            bool recent = _answered.TryGetValue(sender, out var answered) && _host.Time.GetElapsedTime(answered.Since) < s_answersPeriod;
            _answered[sender] = recent ? (answered.Since, answered.Count + 1) : (_host.Time.GetTimestamp(), 1);
            return recent && answered.Count >= MaxAnswers;
        }
    }

    // ---- Both ---------------------------------------------------------------------------------------------------------

    /// <summary>Until it is there, or the time to ask again has come.</summary>
    async Task WithinAsync(Task task, Stay stay)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stay.Over);
        await Task.WhenAny(task, Task.Delay(_options.AskAgain, _host.Time, over.Token));
        await over.CancelAsync();
        stay.Over.ThrowIfCancellationRequested();
    }

    /// <summary>Nobody waits for it; a stay that has ended explains its failure.</summary>
    void Forget(Task task, Stay stay) => _ = task.ContinueWith(
        failed =>
        {
            if (!stay.Over.IsCancellationRequested && failed.Exception is { } exception)
            {
                _host.OnFailed(exception.InnerException ?? exception);
            }
        },
        TaskScheduler.Default);

    T Locked<T>(Func<T> action)
    {
        lock (_lock)
        {
            return action();
        }
    }

    RealtimeClientException NotInRoom(Exception? cause = null) =>
        new(RealtimeClientErrors.ConnectionLost, $"Not in '{_room}' at the moment, so no key can be had to encrypt with.", cause);

    /// <summary>From joining the room until it is left or the connection lost.</summary>
    sealed class Stay(HubLink link, CancellationTokenSource over)
    {
        public HubLink Link => link;

        public CancellationToken Over { get; } = over.Token;

        /// <summary>Completes when it is known who is in the room.</summary>
        public Task Entered { get; set; } = Task.CompletedTask;

        /// <summary>The requests that have been made in it, and the keys that they were for.</summary>
        public HashSet<string> Asks { get; } = [];

        public HashSet<string> Ids { get; } = [];

        public string NewAsk()
        {
            string ask = Nacl.NewId();
            Asks.Add(ask);
            return ask;
        }

        /// <summary>What waits for it does not run on this thread, which has the lock.</summary>
        public void End() => _ = over.CancelAsync().ContinueWith(_ => over.Dispose(), TaskScheduler.Default);
    }

    sealed class Wanted
    {
        public TaskCompletionSource Came { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ITimer? Timer { get; set; }

        public void End()
        {
            Timer?.Dispose();
            Came.TrySetResult();
        }
    }
}
