using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OrleansRealtime.Client.Encryption;

/// <summary>What the server says of a message, and must not have changed.</summary>
/// <param name="To">Of direct messages: whose inbox it is in.</param>
/// <param name="Key">Of a <c>latest</c> value.</param>
sealed record MessageFields(string? From, string? To, string? Room, string Event, string? MessageId, string? Key = null);

/// <summary>Where a message belongs in what its sender's device has encrypted.</summary>
/// <param name="Session">16 bytes, new for each start of a client.</param>
/// <param name="N">1, 2, 3 …</param>
readonly record struct Count(string Session, long N);

readonly record struct Opened(Count Count, JsonElement Data);

/// <summary>
/// The envelopes of docs/encryption.md, without anything that needs the network. <c>Read</c> checks the outside, <c>Open</c> the inside; whether the
/// sender's key is the sender's is checked between the two, and whether the message is a repetition after them. They return a refusal's code, or null.
/// </summary>
static class Envelope
{
    static readonly JsonWriterOptions s_writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    // ---- Direct -------------------------------------------------------------------------------------------------------

    /// <param name="recipients">Public keys of the recipient's devices.</param>
    public static JsonElement SealDirect(MessageFields message, Count count, JsonElement data, DeviceKey device, IEnumerable<string> recipients)
    {
        byte[] plaintext = Write(message, null, count, data);
        var boxes = new Dictionary<string, string>();
        foreach (string recipient in recipients)
        {
            byte[] nonce = Nacl.NewNonce();
            boxes[recipient] = Base64Text.Encode([.. nonce, .. Nacl.Box(plaintext, nonce, device.SecretKey, Base64Text.Decode(recipient, Nacl.KeyBytes)!)]);
        }

        return JsonSerializer.SerializeToElement(new { e2e = 1, kind = "direct", sender = device.Name, boxes });
    }

    /// <param name="own">This device's public key: of the boxes only its own is looked at.</param>
    /// <param name="box">Null where there is none for this device.</param>
    public static string? ReadDirect(JsonElement data, string own, out string sender, out byte[]? box)
    {
        box = null;
        if (Read(data, "direct", out sender) is { } refusal)
        {
            return refusal;
        }

        if (data.Property("boxes") is not { ValueKind: JsonValueKind.Object } boxes)
        {
            return RefusalCodes.Malformed;
        }

        if (boxes.Property(own) is { } mine)
        {
            box = ((JsonElement?)mine).Bytes();
            return box is { Length: >= Nacl.NonceBytes + Nacl.OverheadBytes } ? null : RefusalCodes.Malformed;
        }

        return null;
    }

    public static string? OpenDirect(byte[]? box, string sender, MessageFields message, DeviceKey device, out Opened opened)
    {
        opened = default;
        return box is null ? RefusalCodes.NotForThisDevice
            : Nacl.OpenBox(box[Nacl.NonceBytes..], box[..Nacl.NonceBytes], device.SecretKey, Base64Text.Decode(sender)!) is not { } plaintext ? RefusalCodes.Tampered
            : Read(plaintext, message, null, out opened);
    }

    // ---- Rooms --------------------------------------------------------------------------------------------------------

    public static JsonElement SealRoom(MessageFields message, Count count, JsonElement data, DeviceKey device, RoomKey key)
    {
        byte[] nonce = Nacl.NewNonce();
        string body = Base64Text.Encode(Nacl.SecretBox(Write(message, device.Name, count, data), nonce, key.Key));
        return JsonSerializer.SerializeToElement(new { e2e = 1, kind = "room", key = key.Id, sender = device.Name, nonce = Base64Text.Encode(nonce), body });
    }

    public static string? ReadRoom(JsonElement data, out RoomEnvelope envelope)
    {
        envelope = default;
        if (Read(data, "room", out string sender) is { } refusal)
        {
            return refusal;
        }

        if (data.Property("key").Bytes(Nacl.IdBytes) is null || data.Property("nonce").Bytes(Nacl.NonceBytes) is not { } nonce
            || data.Property("body").Bytes() is not { Length: >= Nacl.OverheadBytes } body)
        {
            return RefusalCodes.Malformed;
        }

        envelope = new(data.Property("key").Text()!, sender, nonce, body);
        return null;
    }

    /// <param name="key">The one that the envelope names; null where it is not known.</param>
    public static string? OpenRoom(RoomEnvelope envelope, MessageFields message, byte[]? key, out Opened opened)
    {
        opened = default;
        return key is null ? RefusalCodes.UnknownRoomKey
            : Nacl.OpenSecretBox(envelope.Body, envelope.Nonce, key) is not { } plaintext ? RefusalCodes.Tampered
            : Read(plaintext, message, envelope.Sender, out opened);
    }

    /// <summary>The device that an envelope names as its sender's, whatever else is wrong with it; null where it names none.</summary>
    public static string? SenderOf(JsonElement data) => data.Property("sender").Bytes(Nacl.KeyBytes) is null ? null : data.Property("sender").Text();

    // ---- Both ---------------------------------------------------------------------------------------------------------

    static string? Read(JsonElement data, string kind, out string sender)
    {
        sender = "";
        if (data.Property("e2e") is not { } version)
        {
            return RefusalCodes.NotEncrypted;
        }

        if (((JsonElement?)version).Whole() != 1 || data.Property("kind").Text() != kind || data.Property("sender").Bytes(Nacl.KeyBytes) is null)
        {
            return RefusalCodes.Malformed;
        }

        sender = data.Property("sender").Text()!;
        return null;
    }

    /// <param name="sender">Of rooms: the device's public key, which is repeated inside.</param>
    static byte[] Write(MessageFields message, string? sender, Count count, JsonElement data)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, s_writing))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in Repeated(message, sender))
            {
                if (value is not null)
                {
                    writer.WriteString(name, value);
                }
            }

            writer.WriteString("session", count.Session);
            writer.WriteNumber("n", count.N);
            writer.WritePropertyName("data");
            writer.WriteRawValue(data.ValueKind == JsonValueKind.Undefined ? "null" : data.GetRawText(), skipInputValidation: true);
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    static string? Read(byte[] plaintext, MessageFields message, string? sender, out Opened opened)
    {
        opened = default;
        if (Json.Object(plaintext) is not { } inside || inside.Property("data") is not { } data
            || inside.Property("session").Bytes(Nacl.IdBytes) is null || inside.Property("n").Whole() is not { } n || n < 1)
        {
            return RefusalCodes.Malformed;
        }

        var repeated = Repeated(message, sender).Select(field => (field.Name, field.Value, Inside: inside.Property(field.Name))).ToList();
        if (repeated.Any(field => field.Inside is { } value ? value.ValueKind != JsonValueKind.String : field.Name != "key"))
        {
            return RefusalCodes.Malformed;
        }

        if (repeated.Any(field => field.Inside.Text() != field.Value))
        {
            return RefusalCodes.Mismatch;
        }

        opened = new(new(inside.Property("session").Text()!, n), data);
        return null;
    }

    static IEnumerable<(string Name, string? Value)> Repeated(MessageFields message, string? sender)
    {
        if (sender is null)
        {
            yield return ("to", message.To);
        }
        else
        {
            yield return ("room", message.Room);
            yield return ("sender", sender);
        }

        yield return ("from", message.From);
        yield return ("event", message.Event);
        yield return ("id", message.MessageId);
        yield return ("key", message.Key);
    }
}

readonly record struct RoomEnvelope(string KeyId, string Sender, byte[] Nonce, byte[] Body);
