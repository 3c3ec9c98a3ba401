using System.Buffers;
using System.Buffers.Text;
using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>Something that writes packets when its turn has come, in the form that the session's transport has then.</summary>
interface IEngineContent
{
    void WriteTo(EngineOutput output);
}

/// <summary>
/// The packets of one write: WebSocket frames, or a payload of long-polling. Instances are reused by their threads; whoever has rented one
/// returns it.
/// </summary>
sealed class EngineOutput : IDisposable
{
    /// <summary>A larger buffer goes back to the pool when it has been written.</summary>
    const int KeptBytes = 64 << 10;

    [ThreadStatic]
    static EngineOutput? t_spare;

    byte[] _buffer = [];
    int _length;
    bool _framed;

    public ReadOnlyMemory<byte> Written => _buffer.AsMemory(0, _length);

    /// <param name="framed">Whether it is for a WebSocket.</param>
    public static EngineOutput Rent(bool framed)
    {
        var output = t_spare ?? new();
        t_spare = null;
        output._framed = framed;
        output._length = 0;
        return output;
    }

    public void Dispose()
    {
        if (_buffer.Length > KeptBytes)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }

        t_spare = this;
    }

    /// <summary>A packet of text, in pieces.</summary>
    public void Text(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default, ReadOnlySpan<byte> third = default, ReadOnlySpan<byte> fourth = default)
    {
        int length = first.Length + second.Length + third.Length + fourth.Length;
        var to = Begin(length, binary: false);
        first.CopyTo(to);
        second.CopyTo(to[first.Length..]);
        third.CopyTo(to[(first.Length + second.Length)..]);
        fourth.CopyTo(to[(first.Length + second.Length + third.Length)..]);
        _length += length;
    }

    /// <summary>A binary message.</summary>
    public void Binary(ReadOnlySpan<byte> bytes)
    {
        if (_framed)
        {
            bytes.CopyTo(Begin(bytes.Length, binary: true));
            _length += bytes.Length;
            return;
        }

        var to = Begin(1 + Base64.GetMaxEncodedToUtf8Length(bytes.Length), binary: true);
        to[0] = EnginePacket.Binary;
        Base64.EncodeToUtf8(bytes, to[1..], out _, out int written);
        _length += 1 + written;
    }

    /// <summary>What precedes a packet, and room for the packet itself.</summary>
    Span<byte> Begin(int length, bool binary)
    {
        Reserve(length + WebSocketFrame.MaxHeader);
        if (_framed)
        {
            _length += WebSocketFrame.WriteHeader(_buffer.AsSpan(_length), binary, length);
        }
        else if (_length > 0)
        {
            _buffer[_length++] = EnginePacket.Separator;
        }

        return _buffer.AsSpan(_length);
    }

    void Reserve(int more)
    {
        if (_buffer.Length - _length >= more)
        {
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(_length + more, 4096));
        _buffer.AsSpan(0, _length).CopyTo(larger);
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        _buffer = larger;
    }
}

/// <summary>A packet without data: a ping, a close, a noop.</summary>
sealed class EngineControl(byte type) : IEngineContent
{
    public static readonly EngineControl Ping = new(EnginePacket.Ping), Close = new(EnginePacket.Close), Noop = new(EnginePacket.Noop);

    readonly byte[] _packet = [type];

    public void WriteTo(EngineOutput output) => output.Text(_packet);
}
