using System.Buffers;
using System.Text.Json;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>A buffer and a JSON writer that a thread uses again and again; what is made with them is copied out.</summary>
sealed class JsonBuffer
{
    [ThreadStatic]
    static JsonBuffer? t_instance;

    readonly ArrayBufferWriter<byte> _buffer = new(1024);
    readonly Utf8JsonWriter _writer;

    JsonBuffer() => _writer = new(_buffer, EventJson.WriterOptions);

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    /// <summary>The thread's instance, emptied.</summary>
    public static JsonBuffer Rent()
    {
        var instance = t_instance ??= new();
        instance._buffer.ResetWrittenCount();
        return instance;
    }

    public void Append(ReadOnlySpan<byte> bytes) => _buffer.Write(bytes);

    public void Append(Fanout.ServerEvent serverEvent)
    {
        _writer.Reset();
        EventJson.Write(_writer, serverEvent);
        _writer.Flush();
    }
}
