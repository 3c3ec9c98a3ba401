using System.Net;
using System.Net.WebSockets;
using System.Text;
using OrleansRealtime.Tests.EndToEnd;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.EngineIo;

/// <summary>A server whose limits are near.</summary>
public sealed class LimitedHost : IAsyncLifetime
{
    internal EmbeddedHost Host { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        ("Realtime:SocketIo:MaxPayload", "2048"),
        ("Realtime:SocketIo:ConnectTimeout", "00:00:00.500"),
        ("Realtime:SocketIo:AttachmentTimeout", "00:00:00.200"),
        ("Realtime:SocketIo:UpgradeTimeout", "00:00:00.200"),
        ("Realtime:SocketIo:PingInterval", "00:00:00.300"),
        ("Realtime:SocketIo:PingTimeout", "00:00:00.500"),
        ("Realtime:SocketIo:MaxAttachments", "2"),
        ("Realtime:SocketIo:MaxDepth", "5"),
        ("Realtime:SocketIo:MaxNamespaces", "2"),
        ("Realtime:Namespaces:Names:0", "*"));

    public ValueTask DisposeAsync() => Host.DisposeAsync();
}

/// <summary>What is beyond a limit is refused in the protocol's way, and costs nobody but its sender.</summary>
public sealed class LimitsTests(LimitedHost limited) : IClassFixture<LimitedHost>
{
    readonly Uri _server = limited.Host.Address;

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_large_message_closes_a_WebSocket_with_1009()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("42[\"request\",\"" + new string('x', 3000) + "\"]");
        await socket.ClosedAsync();
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, socket.CloseStatus);
    }

    [Fact]
    public async Task Attachments_count_with_their_packet()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("""452-["binary",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]""");
        await socket.SendAsync(new byte[1500]);
        await socket.SendAsync(new byte[1500]);
        await socket.ClosedAsync();
        Assert.Equal(WebSocketCloseStatus.MessageTooBig, socket.CloseStatus);
    }

    [Fact]
    public async Task A_large_request_of_long_polling_is_answered_with_413_and_the_session_goes_on()
    {
        using var http = new HttpClient { BaseAddress = _server };
        string path = await PollingAsync(http);
        using var large = await http.PostAsync(path, new StringContent("4" + new string('x', 3000)), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using var chunked = await http.PostAsync(path, new StreamContent(new UnknownLengthStream(3000)), Token);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, chunked.StatusCode);
        using var small = await http.PostAsync(path, new StringContent("40"), Token);
        Assert.Equal("ok", await small.Content.ReadAsStringAsync(Token));
        Assert.StartsWith("40{", await http.GetStringAsync(path, Token), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("453-[\"x\"]")]
    [InlineData("42[\"x\",[[[[[1]]]]]]")]
    [InlineData("42[\"x\"")]
    [InlineData("42[\"connect\"]")]
    [InlineData("42[\"\\ud800\"]")]
    [InlineData("44{}")]
    [InlineData("4999999")]
    [InlineData("42/not,there,[\"x\"]")]
    [InlineData("nothing")]
    [InlineData("2")]
    public async Task What_is_no_packet_closes_the_connection(string packet)
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync(packet);
        await socket.ClosedAsync();
    }

    [Fact]
    public async Task A_packet_that_lacks_attachments_is_not_waited_for_for_ever()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("""451-["binary",{"_placeholder":true,"num":0}]""");
        await socket.ClosedAsync();
    }

    [Fact]
    public async Task Text_between_a_packet_and_its_attachments_closes_the_connection()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("""451-["binary",{"_placeholder":true,"num":0}]""", "42[\"request\"]");
        await socket.ClosedAsync();
    }

    [Fact]
    public async Task A_session_without_a_namespace_ends()
    {
        using var socket = await RawSocket.OpenAsync(_server);
        await socket.ClosedAsync();
        using var left = await ConnectAsync();
        await left.SendAsync("41");
        await left.ClosedAsync();
    }

    [Fact]
    public async Task A_third_namespace_is_refused_and_the_others_stay()
    {
        using var socket = await ConnectAsync();
        await socket.SendAsync("40/two,");
        await socket.ReadAsync("40/two,");
        await socket.SendAsync("40/three,");
        Assert.Contains("at most 2", await socket.ReadAsync("44/three,"), StringComparison.Ordinal);
        await socket.SendAsync("421[\"request\"]", "42/two,2[\"request\"]");
        Assert.Equal("431[{\"status\":\"received\"}]", await socket.ReadAsync("43"));
        Assert.Equal("43/two,2[{\"status\":\"received\"}]", await socket.ReadAsync("43/two,"));
    }

    [Fact]
    public async Task An_upgrade_that_is_not_finished_is_given_up_and_the_session_goes_on()
    {
        using var http = new HttpClient { BaseAddress = _server };
        string path = await PollingAsync(http);
        string sid = path[(path.LastIndexOf('=') + 1)..];
        using var connect = await http.PostAsync(path, new StringContent("40"), Token);
        using var socket = await RawSocket.OpenAsync(_server, query: "&sid=" + sid);
        await socket.SendAsync("2probe");
        Assert.Equal("3probe", await socket.ReadAsync());
        await socket.ClosedAsync();
        string received = "";
        while (!received.Contains("40{", StringComparison.Ordinal))
        {
            received += await http.GetStringAsync(path, Token);
        }
    }

    [Fact]
    public async Task More_sessions_than_may_be_pending_are_refused_until_others_are_in_use()
    {
        await using var small = await EmbeddedHost.StartAsync(("Realtime:SocketIo:MaxPending", "2"));
        using var http = new HttpClient { BaseAddress = small.Address };
        using var first = await RawSocket.OpenAsync(small.Address);
        await PollingAsync(http);
        using var refused = await http.GetAsync("/socket.io/?EIO=4&transport=polling", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        await first.SendAsync("40");
        await first.ReadAsync("40{");
        await PollingAsync(http);
    }

    [Fact]
    public async Task What_is_large_goes_out_compressed_where_that_is_switched_on()
    {
        await using var compressing = await EmbeddedHost.StartAsync(("Realtime:SocketIo:PerMessageDeflate", "true"));
        using var socket = await RawSocket.OpenAsync(compressing.Address, compress: true);
        Assert.Contains("permessage-deflate", socket.Header("Sec-WebSocket-Extensions"), StringComparison.Ordinal);
        await socket.SendAsync("40");
        await socket.ReadAsync("40{");
        string text = string.Concat(Enumerable.Repeat("hello ", 5000));
        await socket.SendAsync("421[\"join:room\",\"general\"]");
        await socket.ReadAsync("431");
        await socket.SendAsync($$"""42["message",{"roomId":"general","message":"{{text}}"}]""");
        Assert.Contains(text, await socket.ReadAsync("42[\"message:new\""), StringComparison.Ordinal);
        using var plain = await RawSocket.OpenAsync(compressing.Address);
        Assert.StartsWith("0{", await plain.ReadAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Realtime:SocketIo:Path", "socket.io")]
    [InlineData("Realtime:SocketIo:Transports:0", "carrier-pigeon")]
    [InlineData("Realtime:SocketIo:PingInterval", "00:00:00")]
    [InlineData("Realtime:SocketIo:MaxPayload", "1")]
    [InlineData("Realtime:SocketIo:MaxDepth", "1000")]
    [InlineData("Realtime:Cors:Origins:0", "app.example.com")]
    [InlineData("Realtime:Namespaces:Names:0", "chat")]
    public async Task A_wrong_setting_stops_the_start_and_is_named(string setting, string value)
    {
        await using var server = new ServerProcess(settings: (setting, value));
        Assert.NotEqual(0, await server.FailAsync());
        Assert.Contains(string.Join(':', setting.Split(':')[..3]), server.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", server.Errors, StringComparison.Ordinal);
    }

    /// <summary>The path of a new session.</summary>
    static async Task<string> PollingAsync(HttpClient http)
    {
        string open = await http.GetStringAsync("/socket.io/?EIO=4&transport=polling", Token);
        using var handshake = System.Text.Json.JsonDocument.Parse(open[1..]);
        return "/socket.io/?EIO=4&transport=polling&sid=" + handshake.RootElement.GetProperty("sid").GetString();
    }

    async Task<RawSocket> ConnectAsync()
    {
        var socket = await RawSocket.OpenAsync(_server);
        await socket.SendAsync("40");
        await socket.ReadAsync("40{");
        return socket;
    }

    /// <summary>A body whose length is not known beforehand.</summary>
    sealed class UnknownLengthStream(int bytes) : MemoryStream(Encoding.ASCII.GetBytes("4" + new string('x', bytes)))
    {
        public override bool CanSeek => false;
    }
}
