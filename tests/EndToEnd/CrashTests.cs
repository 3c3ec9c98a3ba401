using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.Contracts;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.Sse;

namespace OrleansRealtime.Tests.EndToEnd;

/// <summary>200 clients chat, the process dies, and comes back on the same folder.</summary>
public sealed class CrashTests
{
    const int Rooms = 10, ClientsPerRoom = 20, MessagesPerClient = 6;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_acknowledged_survives_and_everybody_gets_each_message_once(bool killed)
    {
        await using var server = await ServerProcess.StartAsync();
        string token = await server.TokenAsync("watcher");
        var clients = new List<Chatter>();
        for (int i = 0; i < Rooms * ClientsPerRoom; i++)
        {
            clients.Add(new($"user-{i}", $"room-{i % Rooms}", await server.TokenAsync($"user-{i}"), server.Address));
        }

        await Task.WhenAll(clients.Select(c => c.ReconnectAsync()));
        var transport = new SseTransport();
        var first = await transport.JoinAsync(server.Address, token, "room-0");

        // Half of the messages, then death in the middle of the others.
        await Task.WhenAll(clients.Select(c => c.PublishAsync(0, MessagesPerClient / 2)));
        var seen = new List<Received>();
        for (int i = 0; i < ClientsPerRoom * MessagesPerClient / 2; i++)
        {
            seen.Add(await first.NextAsync());
        }

        var publishing = clients.Select(c => c.TryPublishAsync(MessagesPerClient / 2, MessagesPerClient)).ToList();
        await (killed ? server.KillAsync() : server.TerminateAsync());
        await Task.WhenAll(publishing);
        await first.DisposeAsync();
        await server.RestartAsync();

        await Task.WhenAll(clients.Select(c => c.ReconnectAsync()));
        await using var second = await transport.JoinAsync(server.Address, token, "room-0", seen[^1].Cursor);
        await Task.WhenAll(clients.Select(c => c.PublishAsync(0, MessagesPerClient)));

        for (int room = 0; room < Rooms; room++)
        {
            var history = await server.HistoryAsync(token, $"room-{room}");
            Assert.Equal(Enumerable.Range(1, ClientsPerRoom * MessagesPerClient).Select(o => (long)o), history.Select(Offset));
            Assert.Equal(history.Count, history.Select(Id).Distinct().Count());
            foreach (var client in clients.Where(c => c.Room == $"room-{room}"))
            {
                Assert.All(client.Acknowledged, a => Assert.Equal(a.Value, history.Single(m => Id(m) == a.Key).GetProperty("offset").GetInt64()));
                await Eventually.True(
                    "the client has all messages of its room", () => client.Received.Count >= history.Count, () => $"{client.Received.Count} of {history.Count}");
                Assert.Equal(history.Select(Offset), client.Received);
            }
        }

        for (int i = seen.Count; i < ClientsPerRoom * MessagesPerClient; i++)
        {
            seen.Add(await second.NextAsync());
        }

        Assert.Equal(Enumerable.Range(1, ClientsPerRoom * MessagesPerClient).Select(o => (long)o), seen.Select(r => r.Offset));
        await Task.WhenAll(clients.Select(c => c.DisposeAsync().AsTask()));
    }

    static long Offset(JsonElement message) => message.GetProperty("offset").GetInt64();

    static string Id(JsonElement message) => message.GetProperty("messageId").GetString()!;

    /// <summary>A client that remembers its cursor and what has been acknowledged, as any client of a chat would.</summary>
    sealed class Chatter(string user, string room, string token, Uri server) : IAsyncDisposable
    {
        readonly ConcurrentQueue<long> _received = new();
        HubConnection? _hub;
        string? _cursor;

        public string Room => room;

        public ConcurrentQueue<long> Received => _received;

        public ConcurrentDictionary<string, long> Acknowledged { get; } = new();

        public async Task ReconnectAsync()
        {
            await (_hub?.DisposeAsync() ?? ValueTask.CompletedTask);
            _hub = new SignalRTransport(messagePack: false).Build(server, token);
            _hub.On<JsonElement>("message", message =>
            {
                _cursor = message.GetProperty("cursor").GetString();
                _received.Enqueue(message.GetProperty("offset").GetInt64());
            });
            await _hub.StartAsync(TestContext.Current.CancellationToken);
            var joined = await _hub.InvokeAsync<JsonElement>("Join", room, _cursor, TestContext.Current.CancellationToken);
            Assert.True(joined.GetProperty("recovered").GetBoolean());
            _cursor ??= joined.GetProperty("cursor").GetString();
        }

        /// <summary>Publishes what has not been acknowledged yet, each under its own message id.</summary>
        public async Task PublishAsync(int from, int to)
        {
            for (int i = from; i < to; i++)
            {
                string id = $"{user}-{i}";
                if (!Acknowledged.ContainsKey(id))
                {
                    var kept = await _hub!.InvokeAsync<JsonElement>("Send", room, "message", $"{i}", id, TestContext.Current.CancellationToken);
                    Acknowledged[id] = kept.GetProperty("offset").GetInt64();
                }
            }
        }

        /// <summary>The same, into a server that is about to die.</summary>
        public async Task TryPublishAsync(int from, int to)
        {
            try
            {
                await PublishAsync(from, to);
            }
            catch (Exception exception) when (exception is not Xunit.Sdk.XunitException)
            {
                // What has not been acknowledged is published again after the restart.
            }
        }

        public ValueTask DisposeAsync() => _hub?.DisposeAsync() ?? ValueTask.CompletedTask;
    }
}
