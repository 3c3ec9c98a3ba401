using System.Text.Json;
using System.Text.Json.Nodes;
using OrleansRealtime.Channels;

namespace OrleansRealtime.PubSub;

/// <summary>A message as a subscription gets it.</summary>
/// <param name="From">The publishing user; null where server code published.</param>
/// <param name="Epoch">With <paramref name="Offset"/>: the place in the log of the topic's channel. The offset is 0 where the message is not kept.</param>
/// <param name="Time">When it was accepted.</param>
public sealed record TopicMessage(string Topic, Payload Data, string? From, string Epoch, long Offset, DateTimeOffset Time, string? MessageId)
{
    /// <summary>The data as an object, from JSON with camel-case names; binary data is <c>byte[]</c>.</summary>
    /// <exception cref="JsonException">It is not of that form.</exception>
    public T? Get<T>() => Data.Kind switch
    {
        PayloadKind.Json => JsonSerializer.Deserialize<T>(Data.Bytes, JsonSerializerOptions.Web),
        PayloadKind.Binary => Data.Bytes is T bytes ? bytes : throw new JsonException("The data is binary."),
        _ => ReadMixed().Deserialize<T>(JsonSerializerOptions.Web),
    };

    /// <summary>JSON has binary data as base64, as .NET reads it.</summary>
    JsonNode? ReadMixed()
    {
        var (json, parts) = Data.ReadMixed();
        return WithBase64(JsonNode.Parse(json.Span), parts);
    }

    static JsonNode? WithBase64(JsonNode? node, IReadOnlyList<ReadOnlyMemory<byte>> parts)
    {
        switch (node)
        {
            case JsonObject { Count: 2 } o when o["_placeholder"]?.GetValueKind() == JsonValueKind.True && o["num"]?.GetValueKind() == JsonValueKind.Number:
                return JsonValue.Create(Convert.ToBase64String(parts[o["num"]!.GetValue<int>()].Span));
            case JsonObject o:
                foreach (var (name, value) in o.ToList())
                {
                    if (WithBase64(value, parts) is var changed && changed != value)
                    {
                        o[name] = changed;
                    }
                }

                return o;
            case JsonArray a:
                for (int i = 0; i < a.Count; i++)
                {
                    if (WithBase64(a[i], parts) is var changed && changed != a[i])
                    {
                        a[i] = changed;
                    }
                }

                return a;
            default:
                return node;
        }
    }
}
