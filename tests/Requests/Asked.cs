using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.SignalR.Client;
using OrleansRealtime.Tests.SignalR;
using OrleansRealtime.Tests.SocketIo;

namespace OrleansRealtime.Tests.Requests;

/// <summary>A SignalR client that is asked, and answers when the test says so.</summary>
sealed class Asked : IAsyncDisposable
{
    static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    readonly Channel<JsonElement> _questions = Channel.CreateUnbounded<JsonElement>();

    Asked(HubConnection hub)
    {
        Hub = hub;
        hub.On<object>("requested", question => _questions.Writer.TryWrite(SignalRTransport.ToJson(question)));
    }

    public HubConnection Hub { get; }

    /// <summary>How many questions have come and have not been taken.</summary>
    public int Count => _questions.Reader.Count;

    public static async Task<Asked> ConnectAsync(Uri server, string token, bool messagePack = false)
    {
        var asked = new Asked(new SignalRTransport(messagePack).Build(server, token));
        await asked.Hub.StartAsync(TestContext.Current.CancellationToken);

        // Invocations begin when the connection is complete; only then is it asked anything.
        await asked.Hub.InvokeAsync<object>("Inbox", TestContext.Current.CancellationToken);
        return asked;
    }

    public Task<JsonElement> NextAsync() => _questions.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(s_limit);

    /// <summary>The same; fails at once where the asking side gets its answer first.</summary>
    public async Task<JsonElement> NextAsync<T>(Task<T> asking)
    {
        var next = NextAsync();
        Assert.True(await Task.WhenAny(next, asking) == next, asking.IsFaulted ? asking.Exception.Message : asking.IsCompleted ? $"{asking.Result}" : null);
        return await next;
    }

    /// <summary>Whether the server still waited for it.</summary>
    public Task<bool> AnswerAsync(JsonElement question, object? data) =>
        Hub.InvokeAsync<bool>("Answer", question.GetProperty("id").GetInt64(), data, TestContext.Current.CancellationToken);

    public Task<bool> RefuseAsync(JsonElement question, string? message) =>
        Hub.InvokeAsync<bool>("Refuse", question.GetProperty("id").GetInt64(), message, TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => Hub.DisposeAsync();
}

static class AskedSockets
{
    /// <summary>A client of Socket.IO has connected before the server has gone through its inbox. Its events wait for that, and so do questions.</summary>
    public static async Task<NodeSocket> CanAnswerAsync(this Task<NodeSocket> connecting)
    {
        var socket = await connecting;
        await socket.IsOkAsync("inbox");
        return socket;
    }
}
