using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OrleansRealtime.Tests.SocketIo;

/// <summary>
/// A Node process that holds sockets of socket.io-client for the tests (<c>node/driver.mjs</c>). One for a class of tests; each test opens
/// sockets of its own.
/// </summary>
public sealed class NodeClients : IAsyncLifetime
{
    static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(60);

    readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _requests = new();
    readonly ConcurrentDictionary<string, NodeSocket> _sockets = new();
    readonly SemaphoreSlim _writing = new(1);
    readonly StringBuilder _errors = new();
    Process _process = null!;
    Task _reading = Task.CompletedTask;
    int _lastRequest, _lastSocket;

    /// <summary>Where <c>npm ci</c> has put the clients.</summary>
    public static string Folder { get; } =
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../SocketIo/node"));

    public ValueTask InitializeAsync()
    {
        _process = Start("driver.mjs");
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
        _reading = ReadAsync();
        return ValueTask.CompletedTask;
    }

    /// <summary>Starts one of the scripts in <see cref="Folder"/>.</summary>
    internal static Process Start(string script, params string[] arguments)
    {
        Assert.True(Directory.Exists(Path.Combine(Folder, "node_modules")), $"Run 'npm ci' in {Folder}, or tests/run.sh.");
        return Process.Start(new ProcessStartInfo("node", [script, .. arguments])
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    /// <summary>Opens a socket without waiting for it to be connected.</summary>
    internal async Task<NodeSocket> OpenAsync(SocketOptions options)
    {
        var socket = new NodeSocket(this, $"{Interlocked.Increment(ref _lastSocket)}", options.Listener);
        _sockets[socket.Name] = socket;
        await RequestAsync(new JsonObject
        {
            ["op"] = "open",
            ["socket"] = socket.Name,
            ["url"] = options.Server?.GetLeftPart(UriPartial.Authority),
            ["namespace"] = options.Namespace,
            ["auth"] = JsonSerializer.SerializeToNode(options.Auth ?? (options.Token is { } token ? new { token } : null)),
            ["gated"] = options.Gated,
            ["sharedWith"] = options.SharedWith?.Name,
            ["options"] = new JsonObject
            {
                ["transports"] = JsonSerializer.SerializeToNode(options.Transports),
                ["reconnection"] = options.Reconnection,
                ["reconnectionDelay"] = 50,
                ["reconnectionDelayMax"] = 1000,
                ["extraHeaders"] = JsonSerializer.SerializeToNode(options.Headers),
                ["query"] = JsonSerializer.SerializeToNode(options.Query),
            },
        }.With("pid", options.Pid).With("offset", options.Offset));
        return socket;
    }

    /// <summary>Opens a socket; completes when it is connected.</summary>
    internal async Task<NodeSocket> ConnectAsync(SocketOptions options)
    {
        var socket = await OpenAsync(options);
        await socket.ConnectedAsync();
        return socket;
    }

    /// <summary>Sends a request to the driver; its own failures are exceptions here.</summary>
    internal async Task<JsonElement> RequestAsync(JsonObject request)
    {
        int id = Interlocked.Increment(ref _lastRequest);
        var answer = _requests[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        request["id"] = id;
        await _writing.WaitAsync(TestContext.Current.CancellationToken);
        try
        {
            await _process.StandardInput.WriteLineAsync(request.ToJsonString());
            await _process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
        }
        finally
        {
            _writing.Release();
        }

        return await answer.Task.WaitAsync(AnswerLimit, TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        _process.Kill();
        await _reading;
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        _writing.Dispose();
    }

    async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            var message = JsonDocument.Parse(line).RootElement;
            if (message.TryGetProperty("event", out var name))
            {
                if (_sockets.TryGetValue(message.GetProperty("socket").GetString()!, out var socket))
                {
                    socket.Add(name.GetString()!, [.. message.GetProperty("args").EnumerateArray()]);
                }

                continue;
            }

            if (!_requests.TryRemove(message.GetProperty("id").GetInt32(), out var request))
            {
                continue;
            }

            if (message.TryGetProperty("error", out var error))
            {
                request.TrySetException(new IOException(error.GetString()));
            }
            else
            {
                request.TrySetResult(message.TryGetProperty("result", out var result) ? result : default);
            }
        }

        foreach (var request in _requests.Values)
        {
            request.TrySetException(new IOException($"The Node process has ended. {_errors}"));
        }
    }
}

/// <summary>How a socket connects.</summary>
sealed record SocketOptions
{
    /// <summary>Null where the connection of <see cref="SharedWith"/> is used.</summary>
    public Uri? Server { get; init; }

    public string Namespace { get; init; } = "/";

    /// <summary>For <c>auth: { token }</c>; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>All of <c>auth</c>, in place of <see cref="Token"/>.</summary>
    public object? Auth { get; init; }

    /// <summary>In the order in which the client tries them; after <c>polling</c> it upgrades.</summary>
    public string[] Transports { get; init; } = ["websocket"];

    /// <summary>Whether the client reconnects by itself, the first time after 50 ms, and with exponential backoff up to a second.</summary>
    public bool Reconnection { get; init; }

    /// <summary>A socket whose connection this one shares.</summary>
    public NodeSocket? SharedWith { get; init; }

    /// <summary>Each connection asks for its namespace only after <see cref="NodeSocket.ReleaseAsync"/>.</summary>
    public bool Gated { get; init; }

    /// <summary>With <see cref="Offset"/>: the socket goes on where another one was.</summary>
    public string? Pid { get; init; }

    public string? Offset { get; init; }

    /// <summary>Is given each event as it comes, in order; see <see cref="NodeSocket"/>.</summary>
    public Action<string, JsonElement[]>? Listener { get; init; }

    public IReadOnlyDictionary<string, string>? Headers { get; init; }

    public IReadOnlyDictionary<string, string>? Query { get; init; }
}

static class JsonObjects
{
    /// <summary>The object with one more property, if there is a value.</summary>
    public static JsonObject With(this JsonObject json, string name, string? value)
    {
        if (value is not null)
        {
            json[name] = value;
        }

        return json;
    }
}
