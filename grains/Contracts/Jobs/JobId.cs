using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Jobs;

/// <summary>
/// A job's id: 128 bits as 22 characters of base64url. Who knows it may watch the job, so it cannot be guessed.
/// </summary>
public static class JobId
{
    public const int Length = 22;

    const int Bytes = 16;
    const string RoomPrefix = "job:";

    public static string New() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));

    /// <summary>The id that the same user's start of the same job under the same key always has.</summary>
    public static string FromKey(string user, string name, string idempotencyKey)
    {
        // None of the three has control characters, so the separators cannot be part of them.
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{user}\0{name}\0{idempotencyKey}"));
        return Base64Url.EncodeToString(hash.AsSpan(0, Bytes));
    }

    public static bool IsWellFormed(string id) => id.Length == Length && Base64Url.IsValid(id);

    /// <summary>The room in which the job's events are.</summary>
    public static RoomName RoomOf(string id) => RoomName.FromQualified($"{RoomName.DefaultNamespace}:{RoomPrefix}{id}");

    /// <summary>Whether a room is one of those that are kept for jobs.</summary>
    /// <param name="id">What should be a job's id.</param>
    public static bool IsRoom(RoomName room, out string id)
    {
        bool isJob = room.Namespace == RoomName.DefaultNamespace && room.Name.StartsWith(RoomPrefix, StringComparison.Ordinal);
        id = isJob ? room.Name[RoomPrefix.Length..] : "";
        return isJob;
    }
}
