using CsCheck;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Tests.Channels;

public sealed class MessageFormatTests
{
    static readonly Gen<string> Text = Gen.String[Gen.Char['\u0001', '\ud7ff'], 0, 300];
    static readonly Gen<string?> TextOrNull = Gen.OneOf(Text.Select(text => (string?)text), Gen.Const((string?)null));

    static readonly Gen<Message> Messages = Gen.Select(
        Gen.Long[1, 1L << 52], Gen.Long, Text, Gen.Byte.Array[0, 400], TextOrNull, TextOrNull, TextOrNull, Gen.Bool,
        (offset, time, name, data, from, messageId, key, binary) => new Message(
            offset, time, name, new(binary ? PayloadKind.Binary : PayloadKind.Json, data), from, messageId, Delivery.Durable, key));

    [Fact]
    public void Any_message_is_read_as_it_was_written() => Messages.Sample(message =>
    {
        byte[] buffer = new byte[MessageFormat.MaxBytes(message)];
        int length = MessageFormat.Write(message, buffer);

        var read = MessageFormat.Read(buffer.AsSpan(0, length), message.Offset, message.Delivery);

        Assert.Equal(message.Data.Kind, read.Data.Kind);
        Assert.Equal(message.Data.Bytes, read.Data.Bytes);
        Assert.Equal(message, read with { Data = message.Data });
    });

    [Fact]
    public void A_format_that_is_not_known_is_refused()
    {
        Assert.Throws<InvalidDataException>(() => MessageFormat.Read([2, .. new byte[20]], 1, Delivery.Durable));
        Assert.Throws<InvalidDataException>(() => MessageFormat.Read([], 1, Delivery.Durable));
    }
}
