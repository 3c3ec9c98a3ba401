using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Sse;

/// <summary>
/// The cursor of several channels, as an EventSource sends it back in <c>Last-Event-ID</c>: cursors separated by commas, in any order.
/// Which channel each belongs to is in its epoch. Tampering with it moves nobody but the client, in channels that it may read anyway.
/// </summary>
static class SseCursor
{
    /// <summary>Cursors that one id may have: more than any stream has channels.</summary>
    const int MaxCursors = 1024;

    /// <summary>Finds each channel's cursor; null where the id has none for it.</summary>
    /// <exception cref="RealtimeException">The id is malformed, or none of it belongs to these channels.</exception>
    public static Cursor?[] Parse(string? id, IReadOnlyList<ChannelId> channels)
    {
        var found = new Cursor?[channels.Count];
        if (string.IsNullOrEmpty(id))
        {
            return found;
        }

        int count = 0;
        foreach (var range in id.AsSpan().Split(','))
        {
            if (++count > MaxCursors || !Cursor.TryParse(id.AsSpan(range), out var cursor))
            {
                throw new RealtimeException(RealtimeErrorCode.InvalidCursor, "The Last-Event-ID is malformed: it must be an id that the server gave out.");
            }

            for (int i = 0; i < channels.Count; i++)
            {
                if (Epoch.Belongs(cursor.Epoch, channels[i]))
                {
                    found[i] = cursor;
                }
            }
        }

        return Array.TrueForAll(found, c => c is null)
            ? throw new RealtimeException(RealtimeErrorCode.InvalidCursor, "The Last-Event-ID is of other channels than these.")
            : found;
    }
}
