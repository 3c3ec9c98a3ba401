using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using OrleansRealtime.Hosting;

namespace OrleansRealtime.Tests.Mailboxes;

/// <summary>A silo or a gateway as it is shipped, in a process of its own that can be stopped, continued and killed.</summary>
sealed class ClusterProcess : IAsyncDisposable
{
    const string Key = "a-key-of-the-tests-that-is-long-enough";

    readonly StringBuilder _output = new();
    readonly HttpClient _http = new();
    readonly Process _process;

    ClusterProcess(string program, string redis, Uri address, params (string Name, string Value)[] settings)
    {
        Address = _http.BaseAddress = address;
        var start = new ProcessStartInfo("dotnet", [Program(program), "--urls", address.GetLeftPart(UriPartial.Authority)])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment =
            {
                ["ASPNETCORE_ENVIRONMENT"] = "Development",
                ["Realtime__Redis__ConnectionString"] = redis,
                ["Realtime__Auth__Key"] = Key,
            },
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) => Add(line.Data);
        _process.ErrorDataReceived += (_, line) => Add(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public Uri Address { get; }

    /// <summary>What it has written to its standard output and error.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public static ClusterProcess StartSilo(string redis, params (string Name, string Value)[] settings) => new("silo/Silo.dll", redis, FreeAddress(), settings);

    public static async Task<ClusterProcess> StartGatewayAsync(string redis)
    {
        var gateway = new ClusterProcess("gateway/Gateway.dll", redis, FreeAddress());
        await Eventually.True("the gateway is ready", gateway.IsReadyAsync, () => gateway.Output);
        return gateway;
    }

    public async Task<string> TokenAsync(string user) => (await _http.GetFromJsonAsync<JsonElement>(
        new Uri($"/dev/token?user={user}", UriKind.Relative), TestContext.Current.CancellationToken)).GetProperty("token").GetString()!;

    /// <summary>SIGSTOP: its connections stay open, and nothing answers.</summary>
    public void Stop() => Signal("-STOP");

    public void Continue() => Signal("-CONT");

    /// <summary>SIGKILL: the process has no say in it.</summary>
    public Task KillAsync()
    {
        _process.Kill();
        return _process.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            // One that is stopped dies of this, too.
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process.Dispose();
        _http.Dispose();
    }

    /// <summary>What was built with these tests, in the same configuration.</summary>
    static string Program(string program)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.GetFullPath(Path.Combine(
            own.FullName, "../../../..", Path.GetDirectoryName(program)!, "bin", own.Parent!.Name, own.Name, Path.GetFileName(program)));
    }

    static Uri FreeAddress() => new($"http://127.0.0.1:{FreePort.Next()}");

    void Add(string? line)
    {
        lock (_output)
        {
            _output.AppendLine(line);
        }
    }

    void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    async Task<bool> IsReadyAsync()
    {
        Assert.False(_process.HasExited, Output);
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
