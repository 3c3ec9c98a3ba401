using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Tests.EngineIo;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.WebSockets;

/// <summary>A server whose middleware notes what it sees of each connection's request.</summary>
public sealed class HandoverHost : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    /// <summary>By the query's <c>test</c>.</summary>
    internal ConcurrentDictionary<string, string> Seen { get; } = new();

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        events => events.Use((context, next) =>
        {
            Seen[$"{context.Http.Request.Query["test"]}{context.Namespace}"] = Describe(context);
            return next(context);
        }),
        settings: [("Realtime:Namespaces:Names:0", "/later"), ("Kestrel:Limits:KeepAliveTimeout", "00:00:01"), ("Realtime:SocketIo:PingInterval", "00:00:00.500")]);

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    static string Describe(ConnectingContext context)
    {
        var http = context.Http;
        string? greeting = http.RequestServices.GetRequiredService<IConfiguration>()["Realtime:Namespaces:Names:0"];
        return $"{http.Request.Method} {http.Request.Path} {http.Request.Headers["X-Greeting"]} {http.Connection.RemoteIpAddress} {greeting} {http.RequestAborted.IsCancellationRequested}";
    }
}

/// <summary>A WebSocket outlives its request where nothing stands between HTTP and the connection, and clients cannot tell.</summary>
public sealed class HandoverTests(HandoverHost handover) : IClassFixture<HandoverHost>
{
    const string Upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    readonly Uri _server = handover.Host.Address;

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_comes_right_behind_the_request_is_not_lost()
    {
        using var client = new RawClient(_server);
        await client.SendAsync([.. Encoding.ASCII.GetBytes(Upgrade), .. Frame("40"), .. Frame("42[\"join:room\",\"early\"]")]);
        Assert.StartsWith("HTTP/1.1 101 ", await client.ReadToAsync("\r\n\r\n"), StringComparison.Ordinal);
        Assert.Contains("0{\"sid\":", await client.ReadToAsync("}"), StringComparison.Ordinal);
        Assert.Contains("40{\"sid\":", await client.ReadToAsync("}"), StringComparison.Ordinal);
        await client.ReadToAsync("[\"room:joined\",{\"roomId\":\"early\"");
    }

    [Fact]
    public async Task A_connection_that_has_served_requests_can_become_a_WebSocket()
    {
        using var client = new RawClient(_server);
        for (int i = 0; i < 2; i++)
        {
            await client.SendAsync(Encoding.ASCII.GetBytes("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            Assert.StartsWith("HTTP/1.1 200 ", await client.ReadToAsync("\r\n\r\n"), StringComparison.Ordinal);
            await client.ReadToAsync("\r\n0\r\n\r\n");
        }

        await client.SendAsync(Encoding.ASCII.GetBytes(Upgrade));
        Assert.StartsWith("HTTP/1.1 101 ", await client.ReadToAsync("\r\n\r\n"), StringComparison.Ordinal);
        await client.ReadToAsync("0{\"sid\":");
    }

    [Fact]
    public async Task Timeouts_of_HTTP_are_over_with_the_request()
    {
        // The server's keep-alive timeout is 1 s, and it pings every half second.
        using var socket = await RawSocket.OpenAsync(_server);
        await socket.SendAsync("40");
        await socket.ReadAsync("40{");
        for (int ping = 0; ping < 5; ping++)
        {
            Assert.Equal("2", await socket.ReadPingAsync());
        }

        await socket.SendAsync("42[\"join:room\",\"still\"]");
        await socket.ReadAsync("42[\"room:joined\",{\"roomId\":\"still\"");
    }

    [Fact]
    public async Task What_a_client_takes_late_comes_whole_and_in_order()
    {
        // Far more than the kernel holds for a client that does not read; the connection's queue holds the rest.
        const int messages = 500, characters = 60_000;
        await using var host = await EmbeddedHost.StartAsync(("Realtime:Gateway:QueueBytes", "64000000"));
        using var socket = await RawSocket.OpenAsync(host.Address);
        await socket.SendAsync("40");
        await socket.ReadAsync("40{");
        await socket.SendAsync("42[\"join:room\",\"late\"]");
        await socket.ReadAsync("42[\"room:joined\"");
        using var rest = await host.RestAsync("ann");
        for (int i = 0; i < messages; i++)
        {
            using var answer = await rest.PostAsJsonAsync("/api/rooms/late/messages", new { data = $"{i}:{new string('x', characters)}:{i}" }, Token);
            answer.EnsureSuccessStatusCode();
        }

        for (int i = 0; i < messages; i++)
        {
            Assert.Contains($"\"{i}:{new string('x', characters)}:{i}\"", await socket.ReadAsync("42[\"message:new\""), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Middleware_sees_the_request_for_as_long_as_the_client_stays()
    {
        using var socket = await RawSocket.OpenAsync(_server, query: "&test=sees", headers: ("X-Greeting", "hello"));
        await socket.SendAsync("40");
        await socket.ReadAsync("40{");
        await socket.SendAsync("40/later,");
        await socket.ReadAsync("40/later,");
        const string Expected = "GET /socket.io/ hello 127.0.0.1 /later False";
        Assert.Equal(Expected, handover.Seen["sees/"]);
        Assert.Equal(Expected, handover.Seen["sees/later"]);
    }

    [Fact]
    public async Task What_Kestrel_refuses_to_upgrade_is_answered()
    {
        await using var host = await EmbeddedHost.StartAsync(("Kestrel:Limits:MaxConcurrentUpgradedConnections", "0"));
        using var client = new RawClient(host.Address);
        await client.SendAsync(Encoding.ASCII.GetBytes(Upgrade));
        Assert.StartsWith("HTTP/1.1 500 ", await client.ReadToAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Over_TLS_a_WebSocket_stays_in_its_request()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string file = Path.Combine(Directory.CreateTempSubdirectory().FullName, "localhost.pfx");
        await File.WriteAllBytesAsync(file, certificate.Export(X509ContentType.Pfx), Token);
        await using var host = await EmbeddedHost.StartAsync(
            ("Kestrel:Endpoints:Tls:Url", "https://127.0.0.1:0"), ("Kestrel:Endpoints:Tls:Certificate:Path", file));
        using var ann = await RawSocket.OpenAsync(host.Address, trusted: certificate);
        using var bob = await RawSocket.OpenAsync(host.Address, trusted: certificate);
        foreach (var socket in new[] { ann, bob })
        {
            await socket.SendAsync("40");
            await socket.ReadAsync("40{");
            await socket.SendAsync("42[\"join:room\",\"tls\"]");
            await socket.ReadAsync("42[\"room:joined\"");
        }

        await ann.SendAsync("""42["message",{"roomId":"tls","message":"hello"}]""");
        Assert.Contains("hello", await bob.ReadAsync("42[\"message:new\""), StringComparison.Ordinal);
    }

    /// <summary>A short text of a client: one frame, masked with zeros.</summary>
    static byte[] Frame(string text) => [0x81, (byte)(0x80 | text.Length), 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(text)];

    /// <summary>A client below HTTP.</summary>
    sealed class RawClient : IDisposable
    {
        readonly TcpClient _tcp;
        readonly byte[] _buffer = new byte[4096];
        string _read = "";

        public RawClient(Uri server) => _tcp = new(server.Host, server.Port);

        public async Task SendAsync(byte[] bytes) => await _tcp.GetStream().WriteAsync(bytes, Token);

        /// <summary>What comes, up to the end of a text.</summary>
        public async Task<string> ReadToAsync(string text)
        {
            int at;
            while ((at = _read.IndexOf(text, StringComparison.Ordinal)) < 0)
            {
                int count = await _tcp.GetStream().ReadAsync(_buffer, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Token);
                Assert.True(count > 0, $"Closed before '{text}': {_read}");
                _read += Encoding.Latin1.GetString(_buffer, 0, count);
            }

            string taken = _read[..(at + text.Length)];
            _read = _read[(at + text.Length)..];
            return taken;
        }

        public void Dispose() => _tcp.Dispose();
    }
}
