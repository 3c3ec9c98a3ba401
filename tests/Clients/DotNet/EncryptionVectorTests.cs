using System.Text.Json;
using OrleansRealtime.Client;
using OrleansRealtime.Client.Encryption;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>
/// The vectors of docs/encryption.md, which the JavaScript client has written (tests/Encryption/vectors.json): what it encrypts is opened here, and what
/// is wrong is refused with the same code. What is encrypted here is opened by the same reader, and by the JavaScript client in <see cref="NodeClientTests"/>.
/// </summary>
public sealed class EncryptionVectorTests
{
    static readonly JsonElement s_vectors = JsonDocument.Parse(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "../../../Encryption/vectors.json"))).RootElement;

    public static TheoryData<string> Messages => [.. s_vectors.GetProperty("messages").EnumerateArray().Select(v => v.GetProperty("name").GetString()!)];

    public static TheoryData<string> Sequences => [.. s_vectors.GetProperty("sequences").EnumerateArray().Select(v => v.GetProperty("name").GetString()!)];

    public static TheoryData<string> Freshness => [.. s_vectors.GetProperty("freshness").EnumerateArray().Select(v => v.GetProperty("name").GetString()!)];

    [Fact]
    public void Text_is_decoded_only_where_it_is_the_one_way_to_write_it()
    {
        foreach (var valid in s_vectors.GetProperty("base64url").GetProperty("valid").EnumerateArray())
        {
            byte[] bytes = Convert.FromHexString(valid.GetProperty("hex").GetString()!);
            Assert.Equal(bytes, Base64Text.Decode(valid.GetProperty("text").GetString()));
            Assert.Equal(valid.GetProperty("text").GetString(), Base64Text.Encode(bytes));
        }

        Assert.All(s_vectors.GetProperty("base64url").GetProperty("invalid").EnumerateArray(), invalid => Assert.Null(Base64Text.Decode(invalid.GetString())));
    }

    [Fact]
    public void Keys_and_fingerprints_are_the_same()
    {
        foreach (var device in s_vectors.GetProperty("devices").EnumerateObject().Select(d => d.Value))
        {
            Assert.Equal(device.GetProperty("publicKey").GetString(), DeviceOf(device).Name);
            Assert.Equal(
                device.GetProperty("fingerprint").GetString(),
                RealtimeEncryption.Fingerprint(device.GetProperty("user").GetString()!, device.GetProperty("publicKey").GetString()!));
        }

        foreach (var other in s_vectors.GetProperty("fingerprints").EnumerateArray())
        {
            Assert.Equal(other.GetProperty("fingerprint").GetString(), RealtimeEncryption.Fingerprint(other.GetProperty("user").GetString()!, other.GetProperty("key").GetString()!));
        }

        Assert.All(RoomKeysOf(), key => Assert.Equal(
            key.GetProperty("id").GetString(),
            RoomKey.Of(key.GetProperty("room").GetString()!, BytesOf(key, "key"), key.GetProperty("generation").GetInt32()).Id));
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void A_message_is_opened_or_refused_as_the_vector_says(string name)
    {
        var vector = Named("messages", name);
        Check(ReaderOf(vector), vector, vector);
    }

    [Theory]
    [MemberData(nameof(Sequences))]
    public void Messages_one_after_the_other_are_opened_or_refused_as_the_vector_says(string name)
    {
        var vector = Named("sequences", name);
        var reader = ReaderOf(vector);
        foreach (var step in vector.GetProperty("steps").EnumerateArray())
        {
            Check(reader, vector, step);
        }
    }

    [Theory]
    [MemberData(nameof(Freshness))]
    public void The_key_to_encrypt_with_is_the_one_the_vector_says(string name)
    {
        var all = RoomKeysOf();
        var keys = new RoomKeys("general", "bob");
        foreach (var step in Named("freshness", name).GetProperty("steps").EnumerateArray())
        {
            Apply(keys, step, all);
            var use = step.GetProperty("use");
            Assert.Equal(use.ValueKind == JsonValueKind.Null ? null : all[use.GetInt32()].GetProperty("id").GetString(), keys.ToEncryptWith()?.Id);
        }
    }

    [Fact]
    public void Hand_overs_are_taken_only_where_they_are_whole()
    {
        foreach (var valid in s_vectors.GetProperty("handOvers").GetProperty("valid").EnumerateArray())
        {
            var read = HandOver.Read(valid);
            Assert.NotNull(read);

            // Written again it has the same fields, those that are not described left out.
            var written = JsonSerializer.SerializeToElement(read, JsonSerializerOptions.Web);
            Assert.All(written.EnumerateObject(), field => Assert.True(JsonElement.DeepEquals(valid.GetProperty(field.Name), field.Value)));
            Assert.Equal(valid.EnumerateObject().Count(field => field.Name != "more"), written.EnumerateObject().Count());
        }

        Assert.All(s_vectors.GetProperty("handOvers").GetProperty("invalid").EnumerateArray(), invalid => Assert.Null(HandOver.Read(invalid)));
    }

    [Fact]
    public void What_is_encrypted_here_is_opened_by_the_same_reader()
    {
        var ann = DeviceOf(Device("ann"));
        var bobs = s_vectors.GetProperty("directory").GetProperty("bob").EnumerateArray().Select(key => key.GetString()!);
        var reader = ReaderOf(Named("messages", "direct: null"));
        var data = JsonSerializer.SerializeToElement(new { text = "Grüße 👋 \u2028 \"<\"" });
        var message = new RealtimeMessage { Event = "message", From = "ann", MessageId = "id-9", Epoch = "e", Offset = 7 };
        var direct = message with { Data = Envelope.SealDirect(new("ann", "bob", null, "message", "id-9"), new(Nacl.NewId(), 1), data, ann, bobs) };
        Assert.Null(reader.Open(null, "bob", direct, out var opened, out _));
        Assert.Equal(data.GetRawText(), JsonSerializer.Serialize(opened.Data, JsonSerializerOptions.Default));

        var key = RoomKeysOf()[0];
        var roomKey = RoomKey.Of("general", BytesOf(key, "key"), 1);
        var room = message with { Room = "general", Data = Envelope.SealRoom(new("ann", null, "general", "message", "id-9"), new(Nacl.NewId(), 1), data, ann, roomKey) };
        Assert.Null(reader.Open("general", "bob", room, out opened, out _));
        Assert.Equal(1, opened.Count.N);
    }

    static void Check(Reader reader, JsonElement vector, JsonElement step)
    {
        var json = step.GetProperty("message");
        var message = json.Deserialize<RealtimeMessage>(JsonSerializerOptions.Web)!;
        string? room = vector.GetProperty("kind").GetString() == "room" ? message.Room : null;
        string to = json.TryGetProperty("to", out var user) ? user.GetString()! : "bob";
        string? refusal = reader.Open(room, to, message, out var opened, out _);
        Assert.Equal(step.TryGetProperty("refused", out var refused) ? refused.GetString() : null, refusal);
        if (step.TryGetProperty("opens", out var opens))
        {
            Assert.Equal(opens.GetProperty("session").GetString(), opened.Count.Session);
            Assert.Equal(opens.GetProperty("n").GetInt64(), opened.Count.N);
            Assert.True(JsonElement.DeepEquals(opens.GetProperty("data"), opened.Data), $"{opens} {opened.Data}");
        }
    }

    static Reader ReaderOf(JsonElement vector)
    {
        var device = DeviceOf(Device(vector.GetProperty("device").GetString()!));
        var directory = s_vectors.GetProperty("directory");
        var known = RoomKeysOf().Where(key => key.GetProperty("known").GetBoolean()).ToDictionary(key => key.GetProperty("id").GetString()!, key => BytesOf(key, "key"));
        var verified = vector.TryGetProperty("verified", out var list) ? list.EnumerateArray().Select(key => key.GetString()).ToList() : null;
        return new(
            device,
            (user, key) => directory.TryGetProperty(user, out var keys) && keys.EnumerateArray().Any(each => each.GetString() == key),
            (_, key) => verified?.Contains(key) ?? true,
            known.GetValueOrDefault,
            new());
    }

    static void Apply(RoomKeys keys, JsonElement step, List<JsonElement> all)
    {
        foreach (var property in step.EnumerateObject())
        {
            switch (property.Name)
            {
                case "present":
                    keys.Present(property.Value.EnumerateArray().Select(user => user.GetString()!));
                    break;
                case "joined":
                    keys.Joined(property.Value.GetString()!);
                    break;
                case "left":
                    keys.Left(property.Value.GetString()!);
                    break;
                case "asked":
                    keys.MayHave(property.Value.GetString()!);
                    break;
                case "stayEnds":
                    keys.EndStay();
                    break;
                case "handed":
                    var key = all[property.Value.GetProperty("key").GetInt32()];
                    IReadOnlyList<string>? holders = property.Value.TryGetProperty("holders", out var list) ? [.. list.EnumerateArray().Select(user => user.GetString()!)] : null;
                    keys.Handed(
                        new("general", key.GetProperty("key").GetString()!, key.GetProperty("generation").GetInt32(), holders, null),
                        property.Value.GetProperty("from").GetString()!,
                        property.Value.GetProperty("answersOwn").GetBoolean(),
                        out _);
                    break;
                default:
                    Assert.Equal("use", property.Name);
                    break;
            }
        }
    }

    static JsonElement Named(string list, string name) => s_vectors.GetProperty(list).EnumerateArray().Single(v => v.GetProperty("name").GetString() == name);

    static JsonElement Device(string name) => s_vectors.GetProperty("devices").GetProperty(name);

    static DeviceKey DeviceOf(JsonElement device) => new(BytesOf(device, "secretKey"));

    static byte[] BytesOf(JsonElement element, string name) => Base64Text.Decode(element.GetProperty(name).GetString())!;

    static List<JsonElement> RoomKeysOf() => [.. s_vectors.GetProperty("roomKeys").EnumerateArray()];
}
