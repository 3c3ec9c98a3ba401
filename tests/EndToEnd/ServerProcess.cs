using System.Text.Json;
using OrleansRealtime.Hosting;
using OrleansRealtime.Tests.Processes;

namespace OrleansRealtime.Tests.EndToEnd;

/// <summary>The embedded server as it is shipped, in a process that can be killed and started again on the same port and folder.</summary>
sealed class ServerProcess : IAsyncDisposable
{
    readonly AppProcess _process;
    readonly RestApi _rest;

    public ServerProcess(
        int? port = null, string? dataFolder = null, string environment = "Development", params ReadOnlySpan<(string Setting, string Value)> settings)
    {
        Address = new Uri($"http://127.0.0.1:{port ?? FreePort.Next()}");
        DataFolder = dataFolder ?? Directory.CreateTempSubdirectory("realtime-").FullName;
        _rest = new(Address);
        var variables = new Dictionary<string, string>
        {
            ["ASPNETCORE_ENVIRONMENT"] = environment,
            ["Realtime__Store__DataFolder"] = DataFolder,
        };
        foreach (var (setting, value) in settings)
        {
            variables[setting.Replace(":", "__", StringComparison.Ordinal)] = value;
        }

        _process = new("gateway/Gateway", Address, variables);
    }

    public Uri Address { get; }

    public string DataFolder { get; }

    /// <summary>What the process has written to its standard error.</summary>
    public string Errors => _process.Errors;

    /// <summary>The last lines that it has written to its standard output.</summary>
    public string Output => _process.Output;

    public static async Task<ServerProcess> StartAsync(params (string Setting, string Value)[] settings)
    {
        var server = new ServerProcess(settings: settings);
        await server.RestartAsync();
        return server;
    }

    /// <summary>Starts the process and waits until it is ready.</summary>
    public Task RestartAsync() => _process.StartAsync();

    /// <summary>Starts the process, which is expected to fail.</summary>
    /// <returns>Its exit code.</returns>
    public Task<int> FailAsync() => _process.FailAsync();

    /// <summary>SIGKILL: the process has no say in it.</summary>
    public Task KillAsync() => _process.KillAsync();

    /// <summary>SIGTERM: the process may say goodbye.</summary>
    public Task TerminateAsync() => _process.TerminateAsync();

    /// <summary>SIGSTOP: its connections stay open, and nothing answers.</summary>
    public void Pause() => _process.Pause();

    /// <summary>SIGCONT: it goes on, as if no time had passed.</summary>
    public void Resume() => _process.Resume();

    public Task<string> TokenAsync(string user, string query = "") => _rest.TokenAsync(user, query);

    /// <summary>A client of the REST API that speaks for the user.</summary>
    public Task<HttpClient> RestAsync(string user, string query = "") => _rest.ClientAsync(user, query);

    /// <summary>All messages of a room, oldest first, by REST.</summary>
    public Task<List<JsonElement>> HistoryAsync(string token, string room) => _rest.HistoryAsync(token, room);

    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _rest.Dispose();
        if (Directory.Exists(DataFolder))
        {
            Directory.Delete(DataFolder, recursive: true);
        }
    }
}
