using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>Pages of which other sites may talk to the gateway.</summary>
public sealed class SocketIoCorsTests(SocketIoHost host) : IClassFixture<SocketIoHost>
{
    const string Handshake = "/socket.io/?EIO=4&transport=polling";

    static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Handshake)]
    [InlineData("/api/rooms/general/presence")]
    [InlineData("/events?room=general")]
    public async Task A_page_of_a_site_that_is_named_may_read_the_answers(string path)
    {
        using var response = await SendAsync(HttpMethod.Get, path, SocketIoHost.Origin);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(SocketIoHost.Origin, Assert.Single(response.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Theory]
    [InlineData("http://localhost:3000")]
    [InlineData("https://localhost:5173")]
    public async Task In_development_where_no_site_is_named_pages_of_localhost_may(string origin)
    {
        await using var open = await EmbeddedHost.StartAsync();
        using var response = await SendAsync(HttpMethod.Get, Handshake, origin, open);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(origin, Assert.Single(response.Headers.GetValues("Access-Control-Allow-Origin")));
    }

    [Fact]
    public async Task A_page_of_the_gateways_own_host_may()
    {
        using var response = await SendAsync(HttpMethod.Get, Handshake, host.Address.GetLeftPart(UriPartial.Authority));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("http://chat.example")]
    [InlineData("https://chat.example.evil.example")]
    [InlineData("http://localhost.evil.example:3000")]
    [InlineData("http://localhost:3000")]
    [InlineData("null")]
    public async Task A_page_of_any_other_site_is_refused(string origin)
    {
        using var response = await SendAsync(HttpMethod.Get, Handshake, origin);
        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.False(response.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.Equal(HttpStatusCode.Forbidden, await UpgradeAsync(origin));
    }

    [Fact]
    public async Task A_WebSocket_of_a_page_of_a_named_site_is_accepted() =>
        Assert.Equal(HttpStatusCode.SwitchingProtocols, await UpgradeAsync(SocketIoHost.Origin));

    [Fact]
    public async Task A_preflight_tells_what_is_allowed()
    {
        using var allowed = await PreflightAsync(SocketIoHost.Origin);
        Assert.Equal(HttpStatusCode.NoContent, allowed.StatusCode);
        Assert.Equal(SocketIoHost.Origin, Assert.Single(allowed.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Contains("POST", string.Join(',', allowed.Headers.GetValues("Access-Control-Allow-Methods")), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("content-type", string.Join(',', allowed.Headers.GetValues("Access-Control-Allow-Headers")), StringComparison.OrdinalIgnoreCase);
        using var refused = await PreflightAsync("https://evil.example");
        Assert.False(refused.Headers.Contains("Access-Control-Allow-Origin"));

        async Task<HttpResponseMessage> PreflightAsync(string origin)
        {
            using var http = new HttpClient();
            using var request = new HttpRequestMessage(HttpMethod.Options, new Uri(host.Address, Handshake));
            request.Headers.Add("Origin", origin);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            request.Headers.Add("Access-Control-Request-Headers", "content-type");
            return await http.SendAsync(request, Token);
        }
    }

    [Fact]
    public async Task Credentials_and_all_origins_are_settings()
    {
        await using var open = await EmbeddedHost.StartAsync(("Realtime:Cors:Origins:0", "*"));
        using var any = await SendAsync(HttpMethod.Get, Handshake, "https://anyone.example", open);
        Assert.Equal(HttpStatusCode.OK, any.StatusCode);
        Assert.Matches("^([*]|https://anyone[.]example)$", Assert.Single(any.Headers.GetValues("Access-Control-Allow-Origin")));

        await using var trusting = await EmbeddedHost.StartAsync(("Realtime:Cors:Origins:0", SocketIoHost.Origin), ("Realtime:Cors:Credentials", "true"));
        using var credentials = await SendAsync(HttpMethod.Get, Handshake, SocketIoHost.Origin, trusting);
        Assert.Equal("true", Assert.Single(credentials.Headers.GetValues("Access-Control-Allow-Credentials")));
        Assert.Equal(SocketIoHost.Origin, Assert.Single(credentials.Headers.GetValues("Access-Control-Allow-Origin")));
    }

    async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string origin, EmbeddedHost? at = null)
    {
        at ??= host.Host;
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(method, new Uri(at.Address, path));
        request.Headers.Add("Origin", origin);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await at.TokenAsync("ann"));
        return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
    }

    /// <summary>How the attempt to open a WebSocket is answered.</summary>
    async Task<HttpStatusCode> UpgradeAsync(string origin)
    {
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.CollectHttpResponseDetails = true;
        try
        {
            await socket.ConnectAsync(new Uri($"ws://{host.Address.Authority}/socket.io/?EIO=4&transport=websocket"), Token);
        }
        catch (WebSocketException)
        {
            // The status tells why.
        }

        return socket.HttpStatusCode;
    }
}
