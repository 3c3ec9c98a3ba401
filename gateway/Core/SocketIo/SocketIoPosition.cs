using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>
/// Who a Socket.IO client says it was, and what it has seen: the <c>pid</c> and the <c>offset</c> of its CONNECT.
/// <para>
/// The <c>pid</c> is a secret of the client's, from which its <c>sid</c> follows; so every gateway can give a client that comes back its former
/// <c>sid</c>, and nobody can take over one that he has only seen. It is tied to the user. After a dot it has the offset with which the session began, for a
/// client that has not been sent an event since.
/// </para>
/// <para>
/// An offset is the cursor of all the session's channels, <c>cursor[:room]</c> separated by commas. The room's name is percent-encoded;
/// the namespace's broadcast and the inbox have none and are told apart by their epochs. A forged one moves nobody but its bearer, in channels that he may read anyway.
/// </para>
/// </summary>
sealed class SocketIoPosition
{
    /// <summary>Bytes of the secret.</summary>
    const int SecretBytes = 18;

    /// <summary>Characters of the secret, of what ties it to a user, and of the <c>sid</c>.</summary>
    const int SecretLength = 24, TieLength = 8, SidLength = 20;

    /// <summary>Characters that a cursor may take, without a room's name.</summary>
    public const int MaxCursor = Epoch.Length + 1 + 20;

    readonly List<Entry> _entries;

    SocketIoPosition(string pid, List<Entry> entries) => (Pid, _entries) = (pid, entries);

    /// <summary>As the client was given it: who gets it back has recovered.</summary>
    public string Pid { get; }

    public string Secret => Pid[..SecretLength];

    public IReadOnlyList<Entry> Entries => _entries;

    /// <param name="Room">Null for what is no room.</param>
    public readonly record struct Entry(Cursor Cursor, string? Room);

    public static string NewSecret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>The public id of the session that has this secret.</summary>
    public static string SidOf(string secret) => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes("sid:" + secret)))[..SidLength];

    /// <summary>Reads what a client came back with. False where it is not of this server's making.</summary>
    /// <param name="offset">Null where the client has not been sent an event: then the <c>pid</c> has it.</param>
    public static bool TryParse(string? pid, string? offset, int maxEntries, [NotNullWhen(true)] out SocketIoPosition? position)
    {
        position = null;
        if (pid is null || pid.Length < SecretLength + TieLength + 1 || pid[SecretLength + TieLength] != '.' || !Base64Url.IsValid(pid.AsSpan(0, SecretLength))
            || ParseEntries(pid[(SecretLength + TieLength + 1)..], maxEntries) is not { } start
            || (offset is null ? start : ParseEntries(offset, maxEntries)) is not { } entries)
        {
            return false;
        }

        position = new(pid, entries);
        return true;
    }

    static List<Entry>? ParseEntries(string text, int maxEntries)
    {
        var entries = new List<Entry>();
        foreach (var range in text.AsSpan().Split(','))
        {
            var entry = text.AsSpan(range);
            int colon = entry.Length > Epoch.Length ? entry[(Epoch.Length + 1)..].IndexOf(':') : -1;
            var cursorText = colon < 0 ? entry : entry[..(Epoch.Length + 1 + colon)];
            if (entries.Count >= maxEntries || !Cursor.TryParse(cursorText, out var cursor))
            {
                return null;
            }

            entries.Add(new(cursor, colon < 0 ? null : Uri.UnescapeDataString(entry[(cursorText.Length + 1)..].ToString())));
        }

        return entries;
    }

    /// <summary>The <c>pid</c> of a user's session that begins at these cursors.</summary>
    public static string PidOf(string secret, string userId, IEnumerable<Cursor> start) => $"{secret}{TieOf(secret, userId)}.{string.Join(',', start)}";

    /// <summary>Whether the session was this user's: another one who signs in on the same socket does not go on with it.</summary>
    public bool IsOf(string userId) => Pid.AsSpan(SecretLength, TieLength).SequenceEqual(TieOf(Secret, userId));

    static string TieOf(string secret, string userId) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes($"user:{secret}:{userId}")))[..TieLength];

    /// <summary>Finds the cursor of a channel that is no room.</summary>
    public Cursor? Find(ChannelId channel)
    {
        foreach (var (cursor, room) in _entries)
        {
            if (room is null && Epoch.Belongs(cursor.Epoch, channel))
            {
                return cursor;
            }
        }

        return null;
    }

    /// <summary>What follows a room's cursor in an offset.</summary>
    public static byte[] TailOf(ChannelId channel) => channel.Kind == ChannelKind.Room
        ? Encoding.ASCII.GetBytes(":" + Uri.EscapeDataString(RoomName.FromQualified(channel.Key).Name))
        : [];

    /// <summary>Writes a cursor. Returns its length.</summary>
    /// <param name="digits">How many of it are those of the cursor's offset.</param>
    public static int Write(Cursor cursor, Span<byte> to, out int digits)
    {
        int length = Encoding.ASCII.GetBytes(cursor.Epoch, to);
        to[length++] = (byte)':';
        Utf8Formatter.TryFormat(cursor.Offset, to[length..], out digits);
        return length + digits;
    }
}
