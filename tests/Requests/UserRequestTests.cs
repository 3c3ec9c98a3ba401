using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Operations;
using OrleansRealtime.Tests.Events;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Requests;

/// <summary>Requests to a user, by and to clients of all transports, and by the server.</summary>
public sealed class UserRequestTests(SocketIoHost host, NodeClients node) : IClassFixture<SocketIoHost>, IClassFixture<NodeClients>
{
    static readonly TimeSpan s_long = TimeSpan.FromSeconds(30);

    readonly string _bob = "bob-" + Guid.NewGuid().ToString("n");

    static CancellationToken Token => TestContext.Current.CancellationToken;

    RealtimeRequests Requests => host.Host.Services.GetRequiredService<RealtimeRequests>();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_SignalR_client_asks_another_one(bool messagePack)
    {
        await using var ann = await ConnectAsync("ann", messagePack);
        await using var bob = await ConnectAsync(_bob, messagePack);
        var asking = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "add", new { a = 1, b = 2 }, 20, Token);
        var question = await bob.NextAsync();
        Assert.Equal("""{"id":1,"event":"add","data":{"a":1,"b":2},"from":"ann"}""", question.GetRawText());
        Assert.True(await bob.AnswerAsync(question, 3));
        Assert.Equal("3", SignalRTransport.ToJson(await asking).GetRawText());

        // Binary data, and none at all.
        var binary = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "draw", Token);
        question = await bob.NextAsync();
        Assert.False(question.TryGetProperty("data", out _));
        Assert.True(await bob.AnswerAsync(question, messagePack ? new byte[] { 7 } : "Bw=="));
        Assert.Equal("\"Bw==\"", SignalRTransport.ToJson(await binary).GetRawText());
        var nothing = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "ping", Token);
        await bob.Hub.InvokeAsync<bool>("Answer", (await bob.NextAsync()).GetProperty("id").GetInt64(), Token);
        Assert.Null(await nothing);
    }

    [Fact]
    public async Task A_Socket_IO_client_is_asked_by_the_event_request_and_answers_by_its_acknowledgement()
    {
        await using var ann = await ConnectAsync("ann");
        await using var bob = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        await bob.AnswerAsync("request", new { sum = 3, picture = NodeSocket.Bytes([1, 2]) });
        object? answer = await ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "add", new { a = 1, b = 2 }, Token);
        Assert.Equal("""{"sum":3,"picture":"AQI="}""", SignalRTransport.ToJson(answer).GetRawText());
        Assert.Equal("""{"from":"ann","event":"add","data":{"a":1,"b":2}}""", Assert.Single(await bob.NextAsync("request")).GetRawText());
    }

    [Fact]
    public async Task A_Socket_IO_client_asks_and_data_may_hold_bytes()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var bob = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        await using var signalR = await ConnectAsync("carol-" + _bob);
        await bob.AnswerAsync("request", NodeSocket.Bytes([3]));
        var answer = await ann.IsOkAsync("user:request", new { userId = _bob, @event = "draw", data = new { ink = NodeSocket.Bytes([1]) }, timeout = 20 });
        Assert.Equal([3], NodeSocket.ToBytes(answer.GetProperty("data")));
        Assert.Equal([1], NodeSocket.ToBytes((await bob.NextAsync("request"))[0].GetProperty("data").GetProperty("ink")));

        var asking = ann.IsOkAsync("user:request", "carol-" + _bob, "draw", new { ink = NodeSocket.Bytes([1]) });
        var question = await signalR.NextAsync();
        Assert.Equal("""{"ink":"AQ=="}""", question.GetProperty("data").GetRawText());
        Assert.True(await signalR.AnswerAsync(question, null));
        Assert.Equal(JsonValueKind.Null, (await asking).GetProperty("data").ValueKind);
    }

    [Fact]
    public async Task A_REST_caller_gets_the_answer_as_its_body()
    {
        using var rest = await host.Host.RestAsync("ann");
        await using var bob = await ConnectAsync(_bob, messagePack: true);
        var asking = PostAsync(rest, "add?timeout=20", JsonContent.Create(new { a = 1 }));
        var question = await bob.NextAsync();
        Assert.Equal("""{"a":1}""", question.GetProperty("data").GetRawText());
        await bob.AnswerAsync(question, new Dictionary<string, object> { ["sum"] = 1 });
        Assert.Equal("""{"sum":1}""", (await asking).Result!.Value.GetRawText());

        asking = PostAsync(rest, "draw", new ByteArrayContent([1, 2]) { Headers = { ContentType = new("application/octet-stream") } });
        question = await bob.NextAsync();
        Assert.Equal([1, 2], question.GetProperty("data").GetBytesFromBase64());
        await bob.AnswerAsync(question, new byte[] { 9 });
        Assert.Equal([9], (await asking).Result!.Value.GetBytesFromBase64());

        // No data either way is no content.
        var silent = rest.PostAsync(PathOf("ping"), null, Token);
        question = await bob.NextAsync();
        await bob.Hub.InvokeAsync<bool>("Answer", question.GetProperty("id").GetInt64(), Token);
        Assert.Equal(HttpStatusCode.NoContent, (await silent).StatusCode);
    }

    [Fact]
    public async Task The_server_asks_in_its_own_name()
    {
        await using var bob = await ConnectAsync(_bob);
        var asking = Requests.AskUserAsync(_bob, "call", new { Line = 1, Ring = new byte[] { 5 } }, s_long, Token);
        var question = await bob.NextAsync();
        Assert.Equal("""{"id":1,"event":"call","data":{"line":1,"ring":"BQ=="}}""", question.GetRawText());
        await bob.AnswerAsync(question, new { accepted = true });
        Assert.True((await asking).Get<JsonElement>(0).GetProperty("accepted").GetBoolean());

        asking = Requests.AskUserAsync(_bob, "raw", new Payload(PayloadKind.Json, "[1]"u8.ToArray()), cancellationToken: Token);
        Assert.Equal("[1]", (await bob.NextAsync()).GetProperty("data").GetRawText());
        await bob.RefuseAsync(SignalRTransport.ToJson(new { id = 2 }), null);
        var refused = await Assert.ThrowsAsync<RealtimeException>(() => asking);
        Assert.Equal((RealtimeErrorCode.Refused, "The client refuses."), (refused.Code, refused.Message));
    }

    [Fact]
    public async Task The_first_answer_wins_and_the_others_are_nobodys()
    {
        await using var ann = await ConnectAsync("ann");
        await using var phone = await ConnectAsync(_bob);
        await using var laptop = await ConnectAsync(_bob, messagePack: true);
        await using var tablet = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        var asking = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", Token);
        var onPhone = await phone.NextAsync();
        var onLaptop = await laptop.NextAsync();
        await tablet.NextAsync("request");
        Assert.True(await laptop.AnswerAsync(onLaptop, "laptop"));
        Assert.Equal("\"laptop\"", SignalRTransport.ToJson(await asking).GetRawText());
        await Eventually.True("the phone's question is over", async () => !await phone.AnswerAsync(onPhone, "phone"));
        Assert.False(await phone.RefuseAsync(onPhone, "too late"));
    }

    [Fact]
    public async Task One_that_refuses_leaves_it_to_the_others_and_all_together_refuse_in_the_words_of_the_last()
    {
        await using var ann = await ConnectAsync("ann");
        await using var phone = await ConnectAsync(_bob);
        await using var laptop = await ConnectAsync(_bob);
        var asking = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", Token);
        Assert.True(await phone.RefuseAsync(await phone.NextAsync(), "Not now."));
        var onLaptop = await laptop.NextAsync();
        Assert.False(asking.IsCompleted);
        Assert.True(await laptop.AnswerAsync(onLaptop, "yes"));
        Assert.Equal("\"yes\"", SignalRTransport.ToJson(await asking).GetRawText());

        asking = ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", Token);
        Assert.True(await phone.RefuseAsync(await phone.NextAsync(), "Not now."));
        Assert.True(await laptop.RefuseAsync(await laptop.NextAsync(), "Never."));
        Assert.Contains("refused: N", (await Assert.ThrowsAsync<HubException>(() => asking)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"status\":\"error\",\"error\":{\"message\":\"In a meeting.\"}}", "In a meeting.")]
    [InlineData("{\"status\":\"error\",\"error\":\"In a meeting.\"}", "In a meeting.")]
    [InlineData("{\"status\":\"error\"}", "The client refuses.")]
    public async Task A_Socket_IO_client_refuses_by_an_acknowledgement_that_is_an_error(string acknowledgement, string message)
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var bob = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        await bob.AnswerAsync("request", JsonElement.Parse(acknowledgement));
        var error = (await ann.EmitAsync("user:request", new { userId = _bob, @event = "call" })).GetProperty("error");
        Assert.Equal(("refused", message), (error.GetProperty("code").GetString(), error.GetProperty("message").GetString()));
        using var rest = await host.Host.RestAsync("ann");
        using var answer = await rest.PostAsync(PathOf("call"), null, Token);
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.Equal(("refused", message), (await Caller.ReadAsync(answer)) is { Code: var code, Text: var text } ? (code, text) : default);
    }

    [Fact]
    public async Task What_server_code_asks_one_connection_may_be_refused_as_well()
    {
        await using var socket = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        await socket.AnswerAsync("question", new { status = "error", error = "I do not count." });
        var error = (await socket.EmitAsync("ask", 20)).GetProperty("error");
        Assert.Equal(("refused", "I do not count."), (error.GetProperty("code").GetString(), error.GetProperty("message").GetString()));
    }

    [Fact]
    public async Task Who_has_no_connection_that_can_answer_is_offline()
    {
        await using var ann = await ConnectAsync("ann");
        Assert.Contains("offline: ", (await Assert.ThrowsAsync<HubException>(() => ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", Token))).Message, StringComparison.Ordinal);

        // A stream can only listen.
        using var listening = await host.Host.RestAsync(_bob);
        using var stream = await listening.GetAsync(new Uri("/events?user=1", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
        using var rest = await host.Host.RestAsync("ann");
        Assert.Equal("offline", (await PostAsync(rest, "call", null)).Code);

        // One that goes away while it is asked.
        var bob = await ConnectAsync(_bob);
        var asking = PostAsync(rest, "call?timeout=60", null);
        await bob.NextAsync();
        await bob.DisposeAsync();
        Assert.Equal("offline", (await asking).Code);
    }

    [Fact]
    public async Task One_that_is_silent_costs_the_time_that_it_was_given()
    {
        await using var bob = await ConnectAsync(_bob);
        using var rest = await host.Host.RestAsync("ann");
        Assert.Equal("timeout", (await PostAsync(rest, "call?timeout=0.2", null)).Code);
        var question = await bob.NextAsync();
        var late = await Assert.ThrowsAsync<RealtimeException>(() => Requests.AskUserAsync(_bob, "call", timeout: TimeSpan.FromSeconds(4), cancellationToken: Token));
        Assert.Equal(RealtimeErrorCode.Timeout, late.Code);

        // The client's gateway has its own clock, and began to count when the question got there: right after the first timeout it may still have waited.
        Assert.False(await bob.AnswerAsync(question, "late"));
    }

    [Fact]
    public async Task A_caller_who_goes_away_ends_the_question()
    {
        await using var bob = await ConnectAsync(_bob);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var asking = Requests.AskUserAsync(_bob, "call", timeout: s_long, cancellationToken: cancellation.Token);
        var question = await bob.NextAsync();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Eventually.True("nobody waits for the answer", async () => !await bob.AnswerAsync(question, 1));
    }

    [Fact]
    public async Task Too_much_data_is_refused_either_way()
    {
        string large = new('x', 70_000);
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var bob = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        Assert.Equal("payload_too_large", (await ann.EmitAsync("user:request", new { userId = _bob, @event = "call", data = large })).ErrorCode());
        await bob.AnswerAsync("request", large);
        var error = (await ann.EmitAsync("user:request", new { userId = _bob, @event = "call" })).GetProperty("error");
        Assert.Equal("payload_too_large", error.GetProperty("code").GetString());
        Assert.Equal("The answer has 70002 bytes of data; at most 65536 are allowed.", error.GetProperty("message").GetString());
        using var rest = await host.Host.RestAsync("ann");
        Assert.Equal("payload_too_large", (await PostAsync(rest, "call", JsonContent.Create(large))).Code);
    }

    [Fact]
    public async Task A_connection_may_wait_for_so_many_answers_that_it_can_still_answer_itself()
    {
        await using var ann = await ConnectAsync("ann-" + _bob);
        await using var bob = await ConnectAsync(_bob);
        var asking = Enumerable.Range(0, RequestOperations.MaxOfConnection)
            .Select(_ => ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", null, 60, Token)).ToList();
        var questions = new List<JsonElement>();
        foreach (var _ in asking)
        {
            questions.Add(await bob.NextAsync());
        }

        var refused = await Assert.ThrowsAsync<HubException>(() => ann.Hub.InvokeAsync<object?>("RequestUser", _bob, "call", null, 60, Token));
        Assert.Contains("overloaded: ", refused.Message, StringComparison.Ordinal);
        var back = bob.Hub.InvokeAsync<object?>("RequestUser", "ann-" + _bob, "call", Token);
        Assert.True(await ann.AnswerAsync(await ann.NextAsync(), "yes"));
        await back;
        await Task.WhenAll(questions.Select(q => bob.AnswerAsync(q, 1)));
        await Task.WhenAll(asking);
        Assert.Equal(0, bob.Count);
    }

    [Theory]
    [InlineData("call?timeout=0.05", "The timeout must be 0.1 to 60 seconds.")]
    [InlineData("call?timeout=61", "The timeout must be 0.1 to 60 seconds.")]
    [InlineData("call?timeout=NaN", "The timeout must be 0.1 to 60 seconds.")]
    [InlineData("two%0Alines", "An event name must not contain control characters or malformed Unicode.")]
    public async Task A_bad_request_says_what_is_allowed(string path, string message)
    {
        using var rest = await host.Host.RestAsync("ann");
        var outcome = await PostAsync(rest, path, null);
        Assert.Equal(("invalid_argument", message), (outcome.Code, outcome.Text));
    }

    [Fact]
    public async Task Bad_fields_of_Socket_IO_and_SignalR_say_what_is_allowed()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        Assert.Equal("invalid_argument", (await ann.EmitAsync("user:request", new { userId = _bob, @event = "call", timeout = "soon" })).ErrorCode());
        Assert.Equal("invalid_argument", (await ann.EmitAsync("user:request", new { userId = _bob })).ErrorCode());
        Assert.Equal("invalid_argument", (await ann.EmitAsync("user:request", new { @event = "call" })).ErrorCode());
        await using var hub = await ConnectAsync("ann");
        var refused = await Assert.ThrowsAsync<HubException>(() => hub.Hub.InvokeAsync<bool>("Refuse", 1, new string('x', 1001), Token));
        Assert.Contains("invalid_argument: ", refused.Message, StringComparison.Ordinal);
        Assert.False(await hub.Hub.InvokeAsync<bool>("Refuse", 99, Token));
    }

    [Fact]
    public async Task A_member_of_a_room_cannot_pass_for_a_request()
    {
        await using var ann = await host.ConnectAsync(node, "ann");
        await using var bob = await host.ConnectAsync(node, _bob).CanAnswerAsync();
        await ann.IsOkAsync("join:room", _bob);
        await bob.IsOkAsync("join:room", _bob);
        await ann.IsOkAsync("message", new { roomId = _bob, message = new { from = "server" }, @event = "request" });
        Assert.Equal("request", (await bob.NextAsync("message:new"))[0].GetProperty("event").GetString());
        Assert.Equal(0, bob.Count("request"));
    }

    Uri PathOf(string path) => new($"/api/users/{_bob}/requests/{path}", UriKind.Relative);

    async Task<Outcome> PostAsync(HttpClient rest, string path, HttpContent? body)
    {
        using var answer = await rest.PostAsync(PathOf(path), body, Token);
        return await Caller.ReadAsync(answer);
    }

    async Task<Asked> ConnectAsync(string user, bool messagePack = false) => await Asked.ConnectAsync(host.Address, await host.Host.TokenAsync(user), messagePack);
}
