using System.Globalization;
using System.Security.Claims;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Jobs;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>Who a connection is and what its token allows. Immutable; a renewed token makes a new one.</summary>
public sealed class Permissions
{
    /// <summary>The role that may broadcast, use admin namespaces, publish on behalf of others and disconnect users.</summary>
    public const string AdminRole = "admin";

    internal const string JoinClaim = "join";
    internal const string PublishClaim = "publish";
    internal const string JobsClaim = "jobs";

    readonly string[] _adminNamespaces;
    readonly RoomPatterns _join;
    readonly RoomPatterns _publish;
    readonly Globs _jobs;

    Permissions(
        string userId, bool isAdmin, DateTimeOffset expiresAt, string[] adminNamespaces, RoomPatterns join, RoomPatterns publish, Globs jobs)
    {
        UserId = userId;
        IsAdmin = isAdmin;
        ExpiresAt = expiresAt;
        _adminNamespaces = adminNamespaces;
        _join = join;
        _publish = publish;
        _jobs = jobs;
    }

    /// <summary>The token's <c>sub</c>.</summary>
    public string UserId { get; }

    public bool IsAdmin { get; }

    /// <summary>Whether it is somebody without a token, whom nobody will meet again.</summary>
    public bool IsGuest { get; private init; }

    /// <summary>The token's <c>exp</c>; <see cref="DateTimeOffset.MaxValue"/> where another authentication scheme gave none.</summary>
    public DateTimeOffset ExpiresAt { get; }

    /// <summary>A job's room is for whoever knows its id, which cannot be guessed.</summary>
    public bool MayJoin(RoomName room) => MayUseNamespace(room.Namespace) && (_join.Matches(room) || JobId.IsRoom(room, out _));

    /// <summary>To a job's room only the server publishes.</summary>
    public bool MayPublish(RoomName room) => MayUseNamespace(room.Namespace) && _publish.Matches(room) && !JobId.IsRoom(room, out _);

    public bool MayStartJob(string name) => _jobs.Matches(name);

    /// <summary>Whether the namespace is open to the user at all: its broadcasts, and rooms in it that the claims name.</summary>
    public bool MayUseNamespace(string ns) => IsAdmin || Array.IndexOf(_adminNamespaces, ns) < 0;

    /// <summary>A user without a token: every namespace that is open to all and every room in it, and no end.</summary>
    /// <param name="isGuest">Whether the user is one for this connection only.</param>
    /// <exception cref="ArgumentException">The user id is not one.</exception>
    internal static Permissions WithoutToken(string userId, NamespaceOptions namespaces, bool isGuest) => RoomName.TryCheckName(userId, "A user id", out string? error)
        ? new(userId, false, DateTimeOffset.MaxValue, namespaces.AdminNames, RoomPatterns.All, RoomPatterns.All, Globs.All) { IsGuest = isGuest }
        : throw new ArgumentException(error, nameof(userId));

    /// <summary>Reads the claims of a validated token.</summary>
    /// <returns>The permissions, or an <see cref="RealtimeErrorCode.Unauthenticated"/> that says which claim is unusable.</returns>
    internal static (Permissions? Permissions, RealtimeException? Error) Read(
        ClaimsPrincipal principal, AuthOptions auth, NamespaceOptions namespaces)
    {
        string? userId = null;
        bool admin = false;
        DateTimeOffset expiresAt = DateTimeOffset.MaxValue;
        List<string>? join = null, publish = null, jobs = null;
        string[] roleClaims = auth.RoleClaimNames;
        foreach (Claim claim in principal.Claims)
        {
            switch (claim.Type)
            {
                case "sub" when userId is not null && userId != claim.Value:
                    return Refuse("The token has more than one 'sub'.");
                case "sub":
                    userId = claim.Value;
                    break;
                case "exp":
                    expiresAt = ReadTime(claim.Value);
                    break;
                case JoinClaim:
                    AddPatterns(ref join, claim);
                    break;
                case PublishClaim:
                    AddPatterns(ref publish, claim);
                    break;
                case JobsClaim:
                    AddPatterns(ref jobs, claim);
                    break;
            }

            admin |= claim.Value == AdminRole && Array.IndexOf(roleClaims, claim.Type) >= 0;
        }

        if (userId is null)
        {
            return Refuse("The token has no 'sub'.");
        }

        if (!RoomName.TryCheckName(userId, "The token's 'sub'", out string? error))
        {
            return Refuse(error);
        }

        RoomPatterns joins = join is null ? RoomPatterns.All : new(join);
        RoomPatterns publishes = publish is null ? RoomPatterns.All : new(publish);
        return (new(userId, admin, expiresAt, namespaces.AdminNames, joins, publishes, jobs is null ? Globs.All : new(jobs)), null);
    }

    static (Permissions?, RealtimeException?) Refuse(string why) => (null, new(RealtimeErrorCode.Unauthenticated, why));

    /// <summary>A JSON array holds patterns; any other text holds them separated by spaces.</summary>
    static void AddPatterns(ref List<string>? patterns, Claim claim)
    {
        patterns ??= [];
        patterns.AddRange(claim.ValueType == JsonClaimValueTypes.JsonArray
            ? JsonSerializer.Deserialize(claim.Value, AuthJson.Default.StringArray) ?? []
            : claim.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>RFC 7519 section 2, NumericDate: seconds since the Unix epoch, possibly with a fraction, possibly beyond our calendar.</summary>
    static DateTimeOffset ReadTime(string seconds)
    {
        if (!double.TryParse(seconds, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) || !(value > 0))
        {
            return DateTimeOffset.UnixEpoch;
        }

        return value >= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.MaxValue
            : DateTimeOffset.UnixEpoch.AddSeconds(value);
    }
}
