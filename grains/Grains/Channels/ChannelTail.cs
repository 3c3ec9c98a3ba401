namespace OrleansRealtime.Channels;

/// <summary>The newest durable messages of a log, consecutive, bounded by count and bytes.</summary>
sealed class ChannelTail(int maxCount, int maxBytes)
{
    readonly Queue<Message> _messages = new();
    Message[]? _array;
    long _bytes;

    /// <summary>The oldest offset held; meaningless when empty.</summary>
    public long First => _messages.Peek().Offset;

    public bool IsEmpty => _messages.Count == 0;

    public void Add(Message message)
    {
        _array = null;
        _messages.Enqueue(message);
        _bytes += message.Size;
        while (_messages.Count > maxCount || _bytes > maxBytes)
        {
            _bytes -= _messages.Dequeue().Size;
        }
    }

    public void Clear()
    {
        _array = null;
        _messages.Clear();
        _bytes = 0;
    }

    /// <summary>Whether every message above <paramref name="after"/> is here.</summary>
    public bool Covers(long after) => !IsEmpty && after >= First - 1;

    /// <summary>Messages above <paramref name="after"/>, which <see cref="Covers"/> must hold for.</summary>
    public ArraySegment<Message> After(long after, int maxCount)
    {
        _array ??= [.. _messages];
        int skip = (int)Math.Min(after - First + 1, _array.Length);
        return new(_array, skip, Math.Min(maxCount, _array.Length - skip));
    }
}
