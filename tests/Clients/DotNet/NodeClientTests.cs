using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Clients.DotNet;

/// <summary>The .NET client and the JavaScript client in Node encrypt for each other.</summary>
public sealed class NodeClientTests
{
    static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Clients_of_both_languages_read_each_other_in_a_room_and_directly_and_nobody_else_does()
    {
        await using var host = await EmbeddedHost.StartAsync();
        await using var clients = new TestClients();
        await using var node = new NodeClient(host.Address, await host.TokenAsync("nora"), "mixed");
        var ready = await node.NextAsync("ready");

        var client = clients.Create(host.Address, await host.TokenAsync("dora"));
        var encryption = client.UseEncryption();
        var refused = new List<string>();
        encryption.Refused += r => refused.Add(r.Code);
        await client.ConnectAsync(Stop);
        var room = encryption.Room("mixed");
        await room.JoinAsync(cancellationToken: Stop);
        await using var reading = new Reading(room.ReadAllAsync(cancellationToken: Stop));
        await using var inbox = new Reading(client.Inbox.ReadAllAsync(cancellationToken: Stop));

        // Who has the smaller name makes the key and hands it over; the other asks.
        await room.SendAsync(new { Text = "Grüße von .NET 👋", Number = 1.5 }, cancellationToken: Stop);
        var fromDora = await node.NextAsync("data");
        Assert.Equal(("dora", true), (fromDora.GetProperty("from").GetString(), fromDora.GetProperty("encrypted").GetBoolean()));
        Assert.Equal("""{"text":"Grüße von .NET 👋","number":1.5}""", fromDora.GetProperty("data").GetRawText());
        await node.SendAsync(new { op = "send", data = new { text = "Grüße von Node 👋", list = new object?[] { 1, null, "\u2028" } } });
        Assert.Equal("Grüße von Node 👋", JsonDocument.Parse((await reading.TextsAsync(2))[1]).RootElement.GetProperty("text").GetString());
        Assert.All(reading.Messages, message => Assert.True(message.IsEncrypted));

        await node.SendAsync(new { op = "direct", user = "dora", data = "for dora alone" });
        Assert.Equal(["for dora alone"], await inbox.TextsAsync(1));
        Assert.Equal(("note", true), (inbox.Messages[0].Event, inbox.Messages[0].IsEncrypted));
        await encryption.Direct("nora").SendAsync("for nora alone", new() { Event = "note" }, Stop);
        JsonElement direct;
        do
        {
            direct = await node.NextAsync("data");
        }
        while (direct.TryGetProperty("room", out _));

        Assert.Equal("for nora alone", direct.GetProperty("data").GetString());

        // Fingerprints are the same on both sides.
        Assert.Equal(ready.GetProperty("fingerprint").GetString(), Assert.Single(await encryption.KeysAsync("nora", Stop)).Fingerprint);
        await node.SendAsync(new { op = "fingerprint", user = "dora" });
        Assert.Equal(encryption.Device.Fingerprint, (await node.NextAsync("fingerprint")).GetProperty("fingerprint").GetString());

        // A third one comes, and goes: the next message is under a key that she has not got.
        var visitor = clients.Create(host.Address, await host.TokenAsync("vera"));
        var visitors = visitor.UseEncryption().Room("mixed");
        await visitor.ConnectAsync(Stop);
        await visitors.JoinAsync(cancellationToken: Stop);
        await visitors.SendAsync("from vera", cancellationToken: Stop);
        Assert.Equal("from vera", (await reading.TextsAsync(3))[2]);
        await visitors.LeaveAsync(Stop);
        await node.SendAsync(new { op = "send", data = "without vera" });
        Assert.Equal("without vera", (await reading.TextsAsync(4))[3]);
        Assert.Empty(refused);

        using var rest = await host.RestAsync("root", "&role=admin");
        string log = await rest.GetStringAsync(new Uri("/api/rooms/mixed/messages", UriKind.Relative), Stop);
        Assert.DoesNotContain("without vera", log, StringComparison.Ordinal);
        Assert.All(
            JsonDocument.Parse(log).RootElement.GetProperty("messages").EnumerateArray(),
            message => Assert.Equal(1, message.GetProperty("data").GetProperty("e2e").GetInt32()));
    }

    /// <summary>node/client.mjs: its lines, in their order.</summary>
    sealed class NodeClient : IAsyncDisposable
    {
        static readonly string s_folder = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../Clients/node"));

        readonly Channel<JsonElement> _lines = Channel.CreateUnbounded<JsonElement>();
        readonly Process _process;
        readonly Task _reading;

        public NodeClient(Uri address, string token, string room)
        {
            string build = Path.GetFullPath(Path.Combine(s_folder, "../../../clients/js/dist/encryption/index.js"));
            Assert.True(File.Exists(build), "The JavaScript client has not been built: run 'npm ci && npm run build' in clients/js, or tests/run.sh.");
            _process = Process.Start(new ProcessStartInfo("node", ["client.mjs", address.GetLeftPart(UriPartial.Authority), token, room])
            {
                WorkingDirectory = s_folder,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
            _reading = ReadAsync();
        }

        public Task SendAsync(object command) => _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(command));

        /// <summary>The next line that has this field; others are passed over.</summary>
        public async Task<JsonElement> NextAsync(string field)
        {
            while (true)
            {
                var line = await _lines.Reader.ReadAsync(Stop).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Stop);
                Assert.False(line.TryGetProperty("refused", out _) || line.TryGetProperty("failed", out _), line.ToString());
                if (line.TryGetProperty(field, out _))
                {
                    return line;
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _reading;
            await _process.WaitForExitAsync(CancellationToken.None);
            _process.Dispose();
        }

        async Task ReadAsync()
        {
            while (await _process.StandardOutput.ReadLineAsync() is { } line)
            {
                _lines.Writer.TryWrite(JsonDocument.Parse(line).RootElement);
            }

            _lines.Writer.TryComplete();
        }
    }
}
