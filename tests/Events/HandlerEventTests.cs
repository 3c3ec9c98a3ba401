using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Hosts;

namespace OrleansRealtime.Tests.Events;

/// <summary>A server with an application's handlers.</summary>
public sealed class HandlerHost : IAsyncLifetime
{
    public const int PayloadBytes = 2048;

    internal EmbeddedHost Host { get; private set; } = null!;

    internal CollectedLogs Logs { get; } = new();

    public async ValueTask InitializeAsync() => Host = await EmbeddedHost.StartAsync(
        events =>
        {
            events.Default
                .On<Order, Receipt>("order:create", (context, order) => Task.FromResult(new Receipt(context.UserId, order.Item, order.Amount * 3)))
                .On<Order>("order:note", (_, _) => Task.CompletedTask)
                .On<byte[], byte[]>("reverse", (_, bytes) => Task.FromResult(bytes.Reverse().ToArray()))
                .On<byte[], Picture>("picture", (_, bytes) => Task.FromResult(new Picture("dot", bytes)))
                .On<string, int>("throw", (_, text) => throw new InvalidOperationException(text))
                .On<string, int>("refuse", (_, text) => throw new RealtimeException(RealtimeErrorCode.NotAllowed, text))
                .On("echo", (_, data) => Task.FromResult<EventData?>(data))
                .On("count", (_, data) => Task.FromResult<EventData?>(EventData.Of(data.Count)))
                .On<string, string>("join", async (context, room) => (await context.JoinAsync(room)).Room)
                .On<string>("leave", (context, room) =>
                {
                    context.Leave(room);
                    return Task.CompletedTask;
                })
                .On<string, string>("where", (context, _) => Task.FromResult(context.Namespace));
            events.Namespace("/shop")
                .On<string, string>("where", (context, _) => Task.FromResult(context.Namespace))
                .On<string, string>("join", async (context, room) => (await context.JoinAsync(room)).Room);
            events.Namespace("/admin").On<string, string>("where", (context, _) => Task.FromResult(context.Namespace));
        },
        Logs,
        ("Realtime:Gateway:MaxPayloadBytes", $"{PayloadBytes}"));

    public ValueTask DisposeAsync() => Host.DisposeAsync();

    sealed record Order(string Item, int Amount);

    sealed record Receipt(string Customer, string Item, int Price);

    sealed record Picture(string Name, byte[] Pixels);
}

/// <summary>Handlers of an application, called by every client in the same way.</summary>
public sealed class HandlerEventTests(HandlerHost shared) : IClassFixture<HandlerHost>
{
    readonly EmbeddedHost _host = shared.Host;

    static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<Way> Ways => Caller.Ways;

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_handler_gets_its_type_and_the_caller_its_result(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("order:create", new { item = "tea", amount = 4 });
        Assert.Equal("""{"customer":"ann","item":"tea","price":12}""", outcome.Result?.GetRawText());
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_handler_without_a_result_answers_nothing(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("order:note", new { item = "tea", amount = 4 });
        Assert.Equal(new Outcome(null), outcome);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Data_of_another_form_is_refused_with_the_place_of_the_mistake(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("order:create", new { item = "tea", amount = "many" });
        Assert.Equal("invalid_argument", outcome.Code);
        Assert.Contains("'$.amount'", outcome.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("Int32", outcome.Text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task An_event_without_a_handler_is_unknown(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("order:burn", 1);
        Assert.Equal("unknown_event", outcome.Code);
        outcome = await new Caller(_host, way).CallAsync("order:create", 1, "/shop");
        Assert.Equal("unknown_event", outcome.Code);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_handler_that_throws_is_logged_once_and_harms_nobody_else(Way way)
    {
        string secret = "secret " + Guid.NewGuid();
        await using var other = await new Caller(_host, Way.SignalRJson, "bob").ConnectAsync();
        var outcome = await new Caller(_host, way).CallAsync("throw", secret);
        Assert.Equal(("internal", "Something went wrong on the server."), (outcome.Code, outcome.Text));
        Assert.Equal("there", await other.InvokeAsync<string>("Request", "echo", "there", Token));
        string line = Assert.Single(shared.Logs.Mentioning(secret));
        Assert.StartsWith("Error OrleansRealtime.Gateway.Events.EventDispatcher: The handler of 'throw' in '/' failed.", line, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_handler_may_refuse_with_a_code_and_a_sentence_of_its_own(Way way)
    {
        string sentence = "Not today, " + Guid.NewGuid();
        var outcome = await new Caller(_host, way).CallAsync("refuse", sentence);
        Assert.Equal(("not_allowed", sentence), (outcome.Code, outcome.Text));
        Assert.Empty(shared.Logs.Mentioning(sentence));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Binary_data_comes_and_goes(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("reverse", new byte[] { 1, 2, 3 });
        Assert.Equal([3, 2, 1], outcome.Result?.GetBytesFromBase64());
        outcome = await new Caller(_host, way).CallAsync("picture", new byte[] { 7 });
        Assert.Equal("""{"name":"dot","pixels":"Bw=="}""", outcome.Result?.GetRawText());
    }

    [Fact]
    public async Task Binary_results_are_binary_where_the_protocol_knows_such()
    {
        await using var hub = await new Caller(_host, Way.SignalRMessagePack).ConnectAsync();
        Assert.Equal([2, 1], await hub.InvokeAsync<byte[]>("Request", "reverse", new byte[] { 1, 2 }, Token));
        var picture = await hub.InvokeAsync<Dictionary<string, object>>("Request", "picture", new byte[] { 7 }, Token);
        Assert.Equal([7], Assert.IsType<byte[]>(picture["pixels"]));
        using var http = await _host.RestAsync("ann");
        using var content = new ByteArrayContent([1, 2]) { Headers = { ContentType = new("application/octet-stream") } };
        using var answer = await http.PostAsync(Caller.PathOf("reverse"), content, Token);
        Assert.Equal("application/octet-stream", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal([2, 1], await answer.Content.ReadAsByteArrayAsync(Token));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task JSON_of_all_kinds_comes_back_as_it_was(Way way)
    {
        const string Json = """{"text":"ü\n","numbers":[0,-1,9007199254740993,18446744073709551615,0.5,1e300],"none":null,"yes":true,"no":false,"empty":{},"list":[]}""";
        var outcome = await new Caller(_host, way).CallAsync("echo", way == Way.SignalRMessagePack ? ToObject(JsonElement.Parse(Json)) : JsonElement.Parse(Json));
        Assert.True(JsonElement.DeepEquals(JsonElement.Parse(Json), outcome.Result!.Value), outcome.Result.ToString());
    }

    [Fact]
    public async Task Data_may_be_left_out()
    {
        foreach (var way in new[] { Way.SignalRJson, Way.SignalRMessagePack })
        {
            await using var hub = await new Caller(_host, way).ConnectAsync();
            Assert.Equal(0, await hub.InvokeAsync<int>("Request", "count", Token));
            Assert.Equal(1, await hub.InvokeAsync<int>("Request", "count", null, Token));
        }

        using var http = await _host.RestAsync("ann");
        using var none = await http.PostAsync(Caller.PathOf("count"), null, Token);
        Assert.Equal("0", await none.Content.ReadAsStringAsync(Token));
        using var nothing = await http.PostAsync(Caller.PathOf("order:create"), null, Token);
        Assert.Equal("invalid_argument", (await Caller.ReadAsync(nothing)).Code);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("1,2")]
    [InlineData("1] ")]
    [InlineData("nonsense")]
    public async Task A_body_that_is_no_JSON_is_refused(string body)
    {
        using var http = await _host.RestAsync("ann");
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(Caller.PathOf("count"), content, Token);
        Assert.Equal("invalid_argument", (await Caller.ReadAsync(answer)).Code);
    }

    [Fact]
    public async Task A_body_of_another_type_is_refused()
    {
        using var http = await _host.RestAsync("ann");
        using var content = new StringContent("a=1", Encoding.UTF8, "application/x-www-form-urlencoded");
        using var answer = await http.PostAsync(Caller.PathOf("count"), content, Token);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Data_over_the_limit_is_refused(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync("echo", new string('x', HandlerHost.PayloadBytes));
        Assert.Equal("payload_too_large", outcome.Code);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_name_that_is_none_is_refused(Way way)
    {
        var outcome = await new Caller(_host, way).CallAsync(new string('n', 129), 1);
        Assert.Equal("invalid_argument", outcome.Code);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Each_namespace_has_handlers_of_its_own(Way way)
    {
        Assert.Equal("/", (await new Caller(_host, way).CallAsync("where", "?")).Result?.GetString());
        Assert.Equal("/shop", (await new Caller(_host, way).CallAsync("where", "?", "/shop")).Result?.GetString());
        Assert.Equal("not_allowed", (await new Caller(_host, way).CallAsync("where", "?", "/admin")).Code);
        Assert.Equal("/admin", (await new Caller(_host, way, query: "&role=admin").CallAsync("where", "?", "/admin")).Result?.GetString());
        Assert.Equal("invalid_argument", (await new Caller(_host, way).CallAsync("where", "?", "shop")).Code);
    }

    [Fact]
    public async Task A_handler_takes_its_connection_into_a_room_and_out_of_it()
    {
        string room = "room-" + Guid.NewGuid().ToString("n");
        await using var hub = await new Caller(_host, Way.SignalRJson).ConnectAsync();
        Assert.Equal(room, await hub.InvokeAsync<string>("Request", "join", room, Token));
        await hub.InvokeAsync("Send", room, "message", "I am in", Token);
        Assert.Equal($"/shop:{room}", await hub.InvokeAsync<string>("Request", "join", room, "/shop", Token));
        await hub.InvokeAsync("Send", $"/shop:{room}", "message", "and here", Token);
        await hub.InvokeAsync("Request", "leave", room, Token);
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => hub.InvokeAsync("Send", room, "message", "still?", Token));
        Assert.Contains("not_a_member: ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_takes_nobody_into_a_room_that_the_token_does_not_allow()
    {
        var outcome = await new Caller(_host, Way.SignalRJson, query: "&join=chat-*").CallAsync("join", "general");
        Assert.Equal("not_allowed", outcome.Code);
    }

    [Fact]
    public async Task A_REST_call_has_no_connection_that_could_be_in_a_room()
    {
        var outcome = await new Caller(_host, Way.Rest).CallAsync("join", "general");
        Assert.Equal("invalid_argument", outcome.Code);
    }

    [Fact]
    public async Task Requests_are_described()
    {
        using var http = await _host.RestAsync("ann");
        var document = JsonElement.Parse(await http.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative), Token));
        var post = document.GetProperty("paths").GetProperty("/api/requests/{event}").GetProperty("post");
        Assert.True(post.GetProperty("requestBody").GetProperty("content").TryGetProperty("application/octet-stream", out _));
        Assert.True(post.GetProperty("responses").TryGetProperty("204", out _));
    }

    static object? ToObject(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.Object => json.EnumerateObject().ToDictionary(p => p.Name, p => ToObject(p.Value)),
        JsonValueKind.Array => json.EnumerateArray().Select(ToObject).ToArray(),
        JsonValueKind.String => json.GetString(),
        JsonValueKind.Number when json.TryGetInt64(out long integer) => integer,
        JsonValueKind.Number when json.TryGetUInt64(out ulong large) => large,
        JsonValueKind.Number => json.GetDouble(),
        JsonValueKind.True or JsonValueKind.False => json.GetBoolean(),
        _ => null,
    };
}
