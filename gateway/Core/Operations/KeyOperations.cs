using OrleansRealtime.Gateway.Auth;
using OrleansRealtime.Users;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>The directory of public keys (docs/encryption.md), the same for every transport. Anyone may list anybody's keys.</summary>
sealed class KeyOperations(IClusterClient cluster)
{
    public async Task<KeysResult> KeysAsync(string? user, CancellationToken cancellationToken) =>
        await AnswerAsync(RealtimeOperations.ParseUser(user).Key, grain => grain.Keys(), cancellationToken);

    /// <summary>Announces a key of the caller's own: others cannot vouch for it, not even an administrator.</summary>
    public async Task<KeysResult> PutAsync(Permissions caller, string? user, string? key, CancellationToken cancellationToken)
    {
        string name = RealtimeOperations.ParseUser(user).Key;
        string checkedKey = CheckKey(key);
        return name == caller.UserId
            ? await AnswerAsync(name, grain => grain.PutKey(checkedKey), cancellationToken)
            : throw new RealtimeException(RealtimeErrorCode.NotAllowed, "Only the user may announce a key.");
    }

    public async Task<KeysResult> RemoveAsync(Permissions caller, string? user, string? key, CancellationToken cancellationToken)
    {
        string name = RealtimeOperations.ParseUser(user).Key;
        string checkedKey = CheckKey(key);
        RealtimeOperations.CheckIsOrMayActFor(caller, name);
        return await AnswerAsync(name, grain => grain.RemoveKey(checkedKey), cancellationToken);
    }

    static string CheckKey(string? key) =>
        UserKey.TryCheck(key, out string? error) ? key : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, error);

    async Task<KeysResult> AnswerAsync(string user, Func<IUserGrain, Task<IReadOnlyList<UserKey>>> call, CancellationToken cancellationToken)
    {
        var keys = await RealtimeOperations.CallAsync(call(cluster.GetGrain<IUserGrain>(user)), cancellationToken);
        return new(user, [.. keys.Select(k => new KeyInfo(k.Key, DateTime.UnixEpoch.AddMilliseconds(k.AnnouncedAt)))]);
    }
}
