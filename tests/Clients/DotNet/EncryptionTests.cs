using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Client;
using OrleansRealtime.Client.Encryption;
using OrleansRealtime.Client.Storage;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>Encrypted conversations of .NET clients by a real server.</summary>
public sealed class EncryptionTests : IAsyncLifetime
{
    readonly TestClients _clients = new();
    EmbeddedHost _host = null!;

    static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _host = await EmbeddedHost.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task Two_users_write_to_each_other_and_the_server_sees_envelopes()
    {
        var (ann, bob) = (await DeviceAsync("ann"), await DeviceAsync("bob"));
        await using var bobs = new Reading(bob.Encryption.Direct("ann").ReadAllAsync(cancellationToken: Stop));
        await ann.Encryption.Direct("bob").SendAsync(new { Text = "for you alone" }, new() { Event = "note" }, Stop);
        Assert.Equal(["""{"text":"for you alone"}"""], await bobs.TextsAsync(1));
        Assert.Equal((true, "note", "ann"), (bobs.Messages[0].IsEncrypted, bobs.Messages[0].Event, bobs.Messages[0].From));
        Assert.DoesNotContain("for you alone", await RawInboxAsync("bob"), StringComparison.Ordinal);
        Assert.True((await bob.Client.Inbox.HistoryAsync(cancellationToken: Stop)).Messages.Single().IsEncrypted);

        // Both see the same fingerprint.
        var key = Assert.Single(await bob.Encryption.KeysAsync("ann", Stop));
        Assert.Equal(ann.Encryption.Device.Fingerprint, key.Fingerprint);
        Assert.Equal((true, false), (key.IsCurrent, key.IsVerified));

        // Nobody writes to who has no keys, nor in the clear.
        Assert.Equal("no_keys", (await Assert.ThrowsAsync<RealtimeClientException>(() => ann.Encryption.Direct("nobody").SendAsync(1, cancellationToken: Stop))).Code);
        await (await PlainAsync("ann")).Direct("bob").SendAsync("in the clear", cancellationToken: Stop);
        Assert.Equal(RefusalCodes.NotEncrypted, (await bob.RefusedAsync(1))[0].Code);
        Assert.Single(bobs.Messages);
    }

    [Fact]
    public async Task A_user_reads_on_two_devices_and_a_new_one_is_noticed()
    {
        var ann = await DeviceAsync("ann");
        var first = await DeviceAsync("bob");
        await ann.Encryption.KeysAsync("bob", Stop);
        var changed = new TaskCompletionSource<UserKey>();
        ann.Encryption.KeyChanged += changed.SetResult;
        var second = await DeviceAsync("bob");
        Assert.Equal(2, (await ann.Encryption.KeysAsync("bob", Stop)).Count);
        Assert.Equal(second.Encryption.Device.Fingerprint, (await changed.Task.WaitAsync(Stop)).Fingerprint);
        await using var firsts = new Reading(first.Client.Inbox.ReadAllAsync(cancellationToken: Stop));
        await using var seconds = new Reading(second.Client.Inbox.ReadAllAsync(cancellationToken: Stop));
        await ann.Encryption.Direct("bob").SendAsync("for both", cancellationToken: Stop);
        Assert.Equal(["for both"], await firsts.TextsAsync(1));
        Assert.Equal(["for both"], await seconds.TextsAsync(1));

        await first.Encryption.RemoveKeyAsync(second.Encryption.Device.Key, Stop);
        Assert.Equal([true, false], (await ann.Encryption.KeysAsync("bob", Stop)).Select(key => key.IsCurrent));
        await ann.Encryption.Direct("bob").SendAsync("for one", cancellationToken: Stop);
        Assert.Equal(["for both", "for one"], await firsts.TextsAsync(2));
        Assert.Equal(RefusalCodes.NotForThisDevice, (await second.RefusedAsync(1))[0].Code);
    }

    [Fact]
    public async Task A_room_of_three_has_a_new_key_when_one_has_left_and_who_comes_back_asks()
    {
        var (ann, bob, carol) = (await DeviceAsync("ann"), await DeviceAsync("bob"), await DeviceAsync("carol"));
        var rotations = new ConcurrentQueue<RotatedKey>();
        ann.Encryption.Rotated += rotations.Enqueue;
        bob.Encryption.Rotated += rotations.Enqueue;
        var rooms = new[] { ann, bob, carol }.Select(device => device.Encryption.Room("secret")).ToList();
        foreach (var room in rooms)
        {
            await room.JoinAsync(cancellationToken: Stop);
        }

        var readings = rooms.Select(room => new Reading(room.ReadAllAsync(cancellationToken: Stop))).ToList();
        await rooms[1].SendAsync("from bob", cancellationToken: Stop);
        await rooms[0].SendAsync("from ann", cancellationToken: Stop);
        foreach (var reading in readings)
        {
            Assert.Equal(["from bob", "from ann"], await reading.TextsAsync(2));
            Assert.All(reading.Messages, message => Assert.True(message.IsEncrypted));
        }

        Assert.Single(rotations.Select(rotated => rotated.Key).Distinct());

        var bobSees = new TaskCompletionSource();
        rooms[1].PresenceChanged += change =>
        {
            if (change.Left.Contains("carol"))
            {
                bobSees.TrySetResult();
            }
        };
        await carol.Client.DisposeAsync();
        await bobSees.Task.WaitAsync(Stop);
        await rooms[1].SendAsync("without carol", cancellationToken: Stop);
        Assert.Equal("without carol", (await readings[0].TextsAsync(3))[2]);
        Assert.Equal(2, rotations.Select(rotated => rotated.Key).Distinct().Count());
        Assert.Equal(2, rotations.Max(rotated => rotated.Generation));
        string key = rotations.Last().Key;
        Assert.DoesNotContain(carol.Store.Load(""), entry => entry.Key.Contains(key, StringComparison.Ordinal));

        // Another who comes later reads what was said before him, with the keys that he asks for.
        var dave = await DeviceAsync("dave");
        var late = dave.Encryption.Room("secret");
        await late.JoinAsync($"{readings[0].Messages[0].Epoch}:0", Stop);
        await using var all = new Reading(late.ReadAllAsync(cancellationToken: Stop));
        Assert.Equal(["from bob", "from ann", "without carol"], await all.TextsAsync(3));
        foreach (var reading in readings)
        {
            await reading.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_is_tampered_with_replayed_or_of_a_lying_sender_is_refused()
    {
        var (ann, bob) = (await DeviceAsync("ann"), await DeviceAsync("bob"));
        await ann.Encryption.Room("secret").JoinAsync(cancellationToken: Stop);
        await bob.Encryption.Room("secret").JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(bob.Encryption.Room("secret").ReadAllAsync(cancellationToken: Stop));
        await ann.Encryption.Room("secret").SendAsync("honest", new() { MessageId = "m-1" }, Stop);
        await reading.TextsAsync(1);
        using var server = await _host.RestAsync("root", "&role=admin");
        var sealed1 = (await MessagesAsync(server)).Single();

        // The server, or whoever is it, has the envelope and may publish what it likes as whom it likes.
        await PublishAsync(new { from = "ann", messageId = "m-2", data = sealed1.GetProperty("data") });
        await PublishAsync(new { from = "carol", messageId = "m-1b", data = sealed1.GetProperty("data") });
        await PublishAsync(new { from = "ann", messageId = "m-3", data = Changed(sealed1.GetProperty("data")) });
        await PublishAsync(new { from = "ann", messageId = "m-4", data = "plain" });
        await PublishAsync(new { from = "ann", messageId = "m-5", data = new { e2e = 1, kind = "room" } });

        // The same message at another place: the server remembers ids for a while, so the reader is shown it.
        await ann.Encryption.Room("secret").SendAsync("still there", cancellationToken: Stop);
        Assert.Equal(["honest", "still there"], await reading.TextsAsync(2));
        Assert.Equal(
            [RefusalCodes.Mismatch, RefusalCodes.UnknownSenderKey, RefusalCodes.Tampered, RefusalCodes.NotEncrypted, RefusalCodes.Malformed],
            (await bob.RefusedAsync(5)).Select(refused => refused.Code));
        var again = reading.Messages[0] with { Data = sealed1.GetProperty("data"), Offset = 99, IsEncrypted = false };
        Assert.Null(await bob.Client.Codec!.DecodeAsync("secret", again, live: true));
        Assert.Equal(RefusalCodes.Replayed, (await bob.RefusedAsync(6))[5].Code);

        async Task PublishAsync(object message)
        {
            using var answer = await server.PostAsync(
                new Uri("/api/rooms/secret/messages", UriKind.Relative), new StringContent(JsonSerializer.Serialize(message), Encoding.UTF8, "application/json"), Stop);
            answer.EnsureSuccessStatusCode();
        }

        static JsonElement Changed(JsonElement envelope)
        {
            string body = envelope.GetProperty("body").GetString()!;
            return JsonSerializer.SerializeToElement(envelope.EnumerateObject().ToDictionary(
                field => field.Name, field => field.Name == "body" ? (object)((body[0] == 'A' ? 'B' : 'A') + body[1..]) : field.Value));
        }
    }

    [Fact]
    public async Task Only_verified_keys_are_used_where_that_is_wanted()
    {
        var (ann, bob) = (await DeviceAsync("ann"), await DeviceAsync("bob", verifiedOnly: true));
        await using var reading = new Reading(bob.Client.Inbox.ReadAllAsync(cancellationToken: Stop));
        await ann.Encryption.Direct("bob").SendAsync("who am I?", cancellationToken: Stop);
        Assert.Equal(RefusalCodes.UnverifiedKey, (await bob.RefusedAsync(1))[0].Code);
        Assert.Equal(
            RefusalCodes.UnverifiedKey, (await Assert.ThrowsAsync<RealtimeClientException>(() => bob.Encryption.Direct("ann").SendAsync(1, cancellationToken: Stop))).Code);
        bob.Encryption.Verify("ann", ann.Encryption.Device.Key);
        await ann.Encryption.Direct("bob").SendAsync("it is me", cancellationToken: Stop);
        Assert.Equal(["it is me"], await reading.TextsAsync(1));
        await bob.Encryption.Direct("ann").SendAsync("hello", cancellationToken: Stop);
    }

    [Fact]
    public async Task A_device_that_starts_again_has_its_keys_and_notices_what_was_replayed()
    {
        string folder = Directory.CreateTempSubdirectory("realtime-keys-").FullName;
        try
        {
            var ann = await DeviceAsync("ann");
            await ann.Encryption.Room("secret").JoinAsync(cancellationToken: Stop);
            string device;
            RealtimeMessage first;
            using (var store = new FileStore(Path.Combine(folder, "keys")))
            {
                var bob = await DeviceAsync("bob", store: store);
                device = bob.Encryption.Device.Key;
                await bob.Encryption.Room("secret").JoinAsync(cancellationToken: Stop);
                await using var reading = new Reading(bob.Encryption.Room("secret").ReadAllAsync(cancellationToken: Stop));
                await ann.Encryption.Room("secret").SendAsync("first", cancellationToken: Stop);
                await reading.TextsAsync(1);
                first = (await (await PlainAsync("watcher")).Room("secret").HistoryAsync(cancellationToken: Stop)).Messages[0];
                await bob.Client.DisposeAsync();
            }

            await ann.Client.DisposeAsync();
            using (var store = new FileStore(Path.Combine(folder, "keys")))
            {
                // Nobody is there who could be asked for the key.
                var bob = await DeviceAsync("bob", store: store);
                Assert.Equal(device, bob.Encryption.Device.Key);
                await bob.Encryption.Room("secret").JoinAsync($"{first.Epoch}:0", Stop);
                await using var reading = new Reading(bob.Encryption.Room("secret").ReadAllAsync(cancellationToken: Stop));
                Assert.Equal(["first"], await reading.TextsAsync(1));
                Assert.Null(await bob.Client.Codec!.DecodeAsync("secret", first with { Offset = 7 }, live: true));
                Assert.Equal(RefusalCodes.Replayed, (await bob.RefusedAsync(1))[0].Code);
                await bob.Client.DisposeAsync();
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task The_plain_text_is_nowhere_in_the_files_and_logs_of_the_server()
    {
        const string Secret = "zanzibar-at-midnight";
        await using var server = await ServerProcess.StartAsync(("Logging:LogLevel:Default", "Trace"));
        var ann = await DeviceAsync("ann", address: server.Address, token: await server.TokenAsync("ann"));
        var bob = await DeviceAsync("bob", address: server.Address, token: await server.TokenAsync("bob"));
        var (anns, bobs) = (ann.Encryption.Room("secret"), bob.Encryption.Room("secret"));
        await anns.JoinAsync(cancellationToken: Stop);
        await bobs.JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(bobs.ReadAllAsync(cancellationToken: Stop));
        await using var inbox = new Reading(bob.Client.Inbox.ReadAllAsync(cancellationToken: Stop));
        await anns.SendAsync(Secret, cancellationToken: Stop);
        await ann.Encryption.Direct("bob").SendAsync(Secret, cancellationToken: Stop);
        Assert.Equal([Secret], await reading.TextsAsync(1));
        Assert.Equal([Secret], await inbox.TextsAsync(1));

        // To know that it would have been found.
        await (await _clients.ConnectAsync(server.Address, await server.TokenAsync("carol"))).Direct("bob").SendAsync("in-the-clear-" + Secret.ToUpperInvariant(), cancellationToken: Stop);
        await server.TerminateAsync();
        string files = string.Concat(Directory.EnumerateFiles(server.DataFolder, "*", SearchOption.AllDirectories).Select(file => Encoding.Latin1.GetString(File.ReadAllBytes(file))));
        Assert.Contains("in-the-clear-" + Secret.ToUpperInvariant(), files, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, files, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, server.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, server.Output, StringComparison.Ordinal);
    }

    async Task<Device> DeviceAsync(string user, bool verifiedOnly = false, IClientStore? store = null, Uri? address = null, string? token = null)
    {
        var device = new Device(_clients.Create(address ?? _host.Address, token ?? await _host.TokenAsync(user)), verifiedOnly, store ?? new MemoryStore());
        await device.Client.ConnectAsync(Stop);
        return device;
    }

    async Task<RealtimeClient> PlainAsync(string user) => await _clients.ConnectAsync(_host.Address, await _host.TokenAsync(user));

    async Task<string> RawInboxAsync(string user)
    {
        using var rest = await _host.RestAsync(user);
        return await rest.GetStringAsync(new Uri($"/api/users/{user}/messages", UriKind.Relative), Stop);
    }

    static async Task<List<JsonElement>> MessagesAsync(HttpClient rest)
    {
        string page = await rest.GetStringAsync(new Uri("/api/rooms/secret/messages", UriKind.Relative), Stop);
        return [.. JsonDocument.Parse(page).RootElement.GetProperty("messages").EnumerateArray()];
    }
}

/// <summary>A client that encrypts, with what it has refused.</summary>
sealed class Device
{
    readonly ConcurrentQueue<RefusedMessage> _refused = new();

    public Device(RealtimeClient client, bool verifiedOnly, IClientStore store)
    {
        Client = client;
        Store = store;
        Encryption = client.UseEncryption(new() { Store = store, VerifiedOnly = verifiedOnly });
        Encryption.Refused += _refused.Enqueue;
    }

    public RealtimeClient Client { get; }

    public RealtimeEncryption Encryption { get; }

    public IClientStore Store { get; }

    public async Task<IReadOnlyList<RefusedMessage>> RefusedAsync(int count)
    {
        await Eventually.True($"{count} messages have been refused", () => _refused.Count >= count, () => string.Join(", ", _refused.Select(r => r.Code)));
        return [.. _refused];
    }
}
