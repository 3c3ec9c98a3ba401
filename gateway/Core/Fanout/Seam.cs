namespace OrleansRealtime.Gateway.Fanout;

/// <summary>
/// The live messages of a channel since somebody began to catch up with it, for the moment when these hand over from the log. Shared by
/// all that are catching up, and kept only while there are any. Guarded by its channel's lock.
/// </summary>
sealed class Seam
{
    /// <summary>Bytes that are kept; beyond it the seam begins anew, and whoever is catching up reads on in the log.</summary>
    const int MaxBytes = 1 << 20;

    List<PreparedEvent>? _kept;
    int _bytes;

    /// <summary>Everything after this offset is kept. Meaningless while the seam is closed.</summary>
    public long Start { get; private set; }

    public IReadOnlyList<PreparedEvent> Kept => _kept ?? (IReadOnlyList<PreparedEvent>)[];

    /// <summary>From here on messages are kept, unless they are already.</summary>
    public void Open(long offset)
    {
        if (_kept is null)
        {
            (_kept, Start, _bytes) = ([], offset, 0);
        }
    }

    /// <param name="offset">The channel's offset with this message.</param>
    public void Keep(PreparedEvent prepared, int size, long offset)
    {
        if (_kept is null)
        {
            return;
        }

        if (_bytes + size > MaxBytes)
        {
            BeginAnew(offset);
            return;
        }

        _kept.Add(prepared);
        _bytes += size;
    }

    /// <summary>What has been kept is of no use any more; what follows the offset is.</summary>
    public void BeginAnew(long offset)
    {
        if (_kept is not null)
        {
            (_kept, Start, _bytes) = ([], offset, 0);
        }
    }

    public void Close() => _kept = null;
}
