using System.Buffers;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Wire;

/// <summary>A buffer and a JSON writer of each thread's own, used again and again; what is made with them is copied out.</summary>
static class JsonBuffer
{
    [ThreadStatic]
    static ArrayBufferWriter<byte>? t_buffer;

    [ThreadStatic]
    static Utf8JsonWriter? t_writer;

    public static ReadOnlySpan<byte> Written => t_buffer!.WrittenSpan;

    /// <summary>Empties the thread's buffer.</summary>
    public static void Begin()
    {
        t_buffer ??= new(1024);
        t_writer ??= new(t_buffer, EventJson.WriterOptions);
        t_buffer.ResetWrittenCount();
    }

    /// <summary>Empties the thread's buffer for one value. What the writer was given is in <see cref="Written"/> once it is flushed.</summary>
    public static Utf8JsonWriter BeginValue()
    {
        Begin();
        t_writer!.Reset();
        return t_writer;
    }

    public static void Append(ReadOnlySpan<byte> bytes) => t_buffer!.Write(bytes);

    public static void Append(string text) => Encoding.UTF8.GetBytes(text, t_buffer!);

    public static void Append(ServerEvent serverEvent)
    {
        t_writer!.Reset();
        EventJson.Write(t_writer, serverEvent);
        t_writer.Flush();
    }

    /// <summary>The first argument, as <see cref="EventJson.WriteArgument"/> has it.</summary>
    public static void Append(EventData data)
    {
        t_writer!.Reset();
        EventJson.WriteArgument(t_writer, data);
        t_writer.Flush();
    }
}
