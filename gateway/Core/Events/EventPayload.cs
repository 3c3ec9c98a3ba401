using System.Text.Json;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.Events;

/// <summary>Between a payload, which travels through grains, and the one argument of an event.</summary>
static class EventPayload
{
    /// <summary>The arguments of an event whose one argument is binary data.</summary>
    static readonly byte[] s_oneAttachment = """[{"_placeholder":true,"num":0}]"""u8.ToArray();

    /// <param name="data">Null for no argument.</param>
    /// <exception cref="RealtimeException">It is nested too deeply.</exception>
    public static EventData ToArguments(Payload? data)
    {
        try
        {
            switch (data)
            {
                case null:
                    return EventData.Empty;
                case { Kind: PayloadKind.Json }:
                    return new((byte[])[(byte)'[', .. data.Bytes, (byte)']'], []);
                case { Kind: PayloadKind.Binary }:
                    return new(s_oneAttachment, [data.Bytes]);
                default:
                    var (json, parts) = data.ReadMixed();
                    return new((byte[])[(byte)'[', .. json.Span, (byte)']'], parts);
            }
        }
        catch (JsonException exception)
        {
            // It was valid when it came, so it is nested as deep as is allowed already.
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "The data is nested too deeply.", exception);
        }
    }

    /// <summary>The first argument; null where there is none.</summary>
    /// <exception cref="RealtimeException">It refers to binary data that is not there.</exception>
    public static Payload? OfFirst(EventData arguments) => arguments.Count == 0
        ? null
        : BinaryPlaceholders.ToPayload(arguments[0].Span, arguments.Attachments)
            ?? throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "A placeholder refers to an attachment that is not there.");
}
