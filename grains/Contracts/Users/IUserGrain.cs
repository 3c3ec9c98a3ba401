using Orleans.Concurrency;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Users;

/// <summary>
/// A user's connections and inbox. Its key is the user's id. Messages published to it wait in the inbox, in order, for as long as
/// its retention allows, whether the user is connected or not.
/// </summary>
[Alias("OrleansRealtime.IUserGrain")]
public interface IUserGrain : IChannelGrain
{
    /// <summary>
    /// How long one call of <see cref="Request"/> or <see cref="AwaitAnswer"/> may take, whatever is set for other calls: as <see cref="TimeSpan.Parse(string)"/> has it.
    /// They return after 3 s, so one that takes longer will not return at all.
    /// </summary>
    const string CallTimeout = "00:00:08";

    /// <summary>The user's connections on all gateways.</summary>
    [AlwaysInterleave, Alias("Connections")]
    Task<IReadOnlyList<UserConnection>> Connections();

    /// <summary>Closes the user's connections, or one of them. Returns how many were told to close.</summary>
    [AlwaysInterleave, Alias("Disconnect")]
    Task<int> Disconnect(string? connectionId);

    /// <summary>
    /// The inbox has been handed to a connection up to <paramref name="delivered"/>; a connection that comes without a cursor
    /// begins after that.
    /// </summary>
    [AlwaysInterleave, Alias("Delivered")]
    Task Delivered(Cursor delivered);

    /// <summary>Where a connection that comes without a cursor begins.</summary>
    [AlwaysInterleave, Alias("DeliveredUpTo")]
    Task<Cursor> DeliveredUpTo();

    /// <summary>
    /// Announces the public key of one of the user's devices, again where it is known. At most <see cref="UserKey.MaxKeys"/> are listed: one
    /// more displaces the one that was announced longest ago. Completes with all of them, the newest first, once they are kept.
    /// </summary>
    /// <param name="key">As <see cref="UserKey.TryCheck"/> has it.</param>
    [AlwaysInterleave, Alias("PutKey")]
    Task<IReadOnlyList<UserKey>> PutKey(string key);

    /// <summary>Takes a key off the list, where it is there.</summary>
    [AlwaysInterleave, Alias("RemoveKey")]
    Task<IReadOnlyList<UserKey>> RemoveKey(string key);

    /// <summary>The public keys of the user's devices, the newest first.</summary>
    [AlwaysInterleave, Alias("Keys")]
    Task<IReadOnlyList<UserKey>> Keys();

    /// <summary>
    /// Asks the user, by all connections that can answer; the first answer wins. Where it comes back with <see cref="UserAnswerStatus.Waiting"/>, go on with
    /// <see cref="AwaitAnswer"/> at once.
    /// </summary>
    [AlwaysInterleave, ResponseTimeout(CallTimeout), Alias("Request")]
    Task<UserAnswer> Request(UserRequest request);

    /// <summary>Waits on. <see cref="UserAnswerStatus.Unknown"/> where this activation has not been asked that.</summary>
    [AlwaysInterleave, ResponseTimeout(CallTimeout), Alias("AwaitAnswer")]
    Task<UserAnswer> AwaitAnswer(string requestId);

    /// <summary>The asking side has gone.</summary>
    [AlwaysInterleave, Alias("CancelRequest")]
    Task CancelRequest(string requestId);

    /// <summary>What the connections of one gateway have come to, for gateways: answered, refused by all, or offline.</summary>
    [AlwaysInterleave, Alias("ReportAnswer")]
    Task ReportAnswer(string requestId, string gatewayId, UserAnswer answer);
}

[GenerateSerializer, Immutable, Alias("OrleansRealtime.UserConnection")]
public readonly record struct UserConnection(
    [property: Id(0)] string ConnectionId,
    [property: Id(1)] string GatewayId,
    [property: Id(2)] string Transport);
