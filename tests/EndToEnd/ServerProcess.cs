using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace OrleansRealtime.Tests.EndToEnd;

/// <summary>The gateway as it is shipped, in a process that can be killed and started again on the same port and folder.</summary>
sealed class ServerProcess : IAsyncDisposable
{
    static readonly TimeSpan ExitLimit = TimeSpan.FromSeconds(30);

    readonly HttpClient _http = new();
    readonly StringBuilder _errors = new();
    Process? _process;

    public ServerProcess(int? port = null, string? dataFolder = null)
    {
        Address = new Uri($"http://127.0.0.1:{port ?? FreePort()}");
        _http.BaseAddress = Address;
        DataFolder = dataFolder ?? Directory.CreateTempSubdirectory("realtime-").FullName;
    }

    public Uri Address { get; }

    public string DataFolder { get; }

    /// <summary>What the process has written to its standard error.</summary>
    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    public static async Task<ServerProcess> StartAsync()
    {
        var server = new ServerProcess();
        await server.RestartAsync();
        return server;
    }

    /// <summary>Starts the process and waits until it is ready.</summary>
    public async Task RestartAsync()
    {
        Launch();
        await Eventually.True("the server is ready", IsReadyAsync, () => Errors);
    }

    /// <summary>Starts the process, which is expected to fail.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> FailAsync(string environment = "Development")
    {
        Launch(environment);
        await ExitedAsync();
        return _process!.ExitCode;
    }

    /// <summary>SIGKILL: the process has no say in it.</summary>
    public Task KillAsync()
    {
        _process!.Kill();
        return ExitedAsync();
    }

    /// <summary>SIGTERM: the process may say goodbye.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process!.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await ExitedAsync();
    }

    public async Task<string> TokenAsync(string user)
    {
        string json = await _http.GetStringAsync(new Uri($"/dev/token?user={user}", UriKind.Relative), TestContext.Current.CancellationToken);
        return JsonDocument.Parse(json).RootElement.GetProperty("token").GetString()!;
    }

    /// <summary>All messages of a room, oldest first, by REST.</summary>
    public async Task<List<JsonElement>> HistoryAsync(string token, string room)
    {
        var pages = new List<JsonElement>();
        for (string before = ""; ;)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/rooms/{room}/messages?limit=500{before}");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await _http.SendAsync(request, TestContext.Current.CancellationToken);
            response.EnsureSuccessStatusCode();
            var page = JsonDocument.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
            var messages = page.GetProperty("messages").EnumerateArray().ToList();
            pages.InsertRange(0, messages);
            if (messages.Count == 0 || messages[0].GetProperty("offset").GetInt64() == 1)
            {
                return pages;
            }

            before = $"&before={messages[0].GetProperty("offset").GetInt64()}";
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        _http.Dispose();
        if (Directory.Exists(DataFolder))
        {
            Directory.Delete(DataFolder, recursive: true);
        }
    }

    /// <summary>The gateway that was built with these tests, in the same configuration.</summary>
    static string Program()
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.GetFullPath(Path.Combine(own.FullName, "../../../../gateway/bin", own.Parent!.Name, own.Name, "Gateway.dll"));
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    void Launch(string environment = "Development")
    {
        var start = new ProcessStartInfo("dotnet", [Program(), "--urls", Address.GetLeftPart(UriPartial.Authority)])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment =
            {
                ["ASPNETCORE_ENVIRONMENT"] = environment,
                ["Realtime__Store__DataFolder"] = DataFolder,
            },
        };
        _process?.Dispose();
        _process = new Process { StartInfo = start };
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.OutputDataReceived += (_, _) => { };
        _process.Start();
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
    }

    async Task ExitedAsync() => await _process!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(ExitLimit);

    async Task<bool> IsReadyAsync()
    {
        Assert.False(_process!.HasExited, Errors);
        try
        {
            using var answer = await _http.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
