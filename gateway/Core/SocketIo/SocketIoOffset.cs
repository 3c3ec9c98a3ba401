using System.Buffers.Text;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>
/// Where a connection is in each of its channels, as the last argument of its events says it. The text is kept: from one event to the next usually only the digits of one place change.
/// </summary>
sealed class SocketIoOffset
{
    readonly List<Place> _places = new(3);

    /// <summary><c>,"offset"]</c>. It has no length while it has to be written anew.</summary>
    byte[] _text = [];
    int _length;

    // The place that moved last, and by which subscription. Its position is here, and in the place only when another one moves.
    Place? _last;
    Subscription? _by;
    string _epoch = "";
    long _offset;
    int _digitsAt;
    int _digits;

    /// <summary>The text. Valid until a place moves.</summary>
    public ReadOnlySpan<byte> Text
    {
        get
        {
            if (_length == 0)
            {
                Write();
            }

            return _text.AsSpan(0, _length);
        }
    }

    public bool Has(ChannelId channel) => _places.Exists(p => p.Channel == channel);

    /// <summary>The connection has been sent everything of the channel up to the position.</summary>
    /// <param name="by">The subscription that brought it; null where it was none.</param>
    public void Move(ChannelId channel, Cursor position, Subscription? by = null)
    {
        if (by is not null && by == _by && position.Epoch == _epoch)
        {
            _offset = position.Offset;
            if (_length > 0 && !TryWriteDigits())
            {
                _length = 0;
            }

            return;
        }

        KeepLast();
        _last = _places.Find(p => p.Channel == channel);
        if (_last is null)
        {
            _places.Add(_last = new() { Channel = channel, Tail = SocketIoPosition.TailOf(channel) });
        }

        (_by, _epoch, _offset, _length) = (by, position.Epoch, position.Offset, 0);
    }

    public void Remove(ChannelId channel)
    {
        KeepLast();
        _places.RemoveAll(p => p.Channel == channel);
        (_last, _by, _length) = (null, null, 0);
    }

    void KeepLast() => _last?.Position = new(_epoch, _offset);

    /// <summary>False where there are more digits, or fewer, than before.</summary>
    bool TryWriteDigits()
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(_offset, digits, out int count);
        return count == _digits && digits[..count].TryCopyTo(_text.AsSpan(_digitsAt));
    }

    void Write()
    {
        KeepLast();
        int most = 4;
        foreach (var place in _places)
        {
            most += SocketIoPosition.MaxCursor + place.Tail.Length + 1;
        }

        if (_text.Length < most)
        {
            _text = new byte[most];
        }

        Span<byte> to = _text;
        ",\""u8.CopyTo(to);
        int length = 2;
        foreach (var place in _places)
        {
            if (length > 2)
            {
                to[length++] = (byte)',';
            }

            length += SocketIoPosition.Write(place.Position, to[length..], out int digits);
            if (place == _last)
            {
                (_digitsAt, _digits) = (length - digits, digits);
            }

            place.Tail.CopyTo(to[length..]);
            length += place.Tail.Length;
        }

        "\"]"u8.CopyTo(to[length..]);
        _length = length + 2;
    }

    sealed class Place
    {
        public required ChannelId Channel { get; init; }

        public required byte[] Tail { get; init; }

        public Cursor Position { get; set; }
    }
}
