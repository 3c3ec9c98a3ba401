using System.Diagnostics;
using System.Text;

namespace OrleansRealtime.Tests.Processes;

/// <summary>
/// One of the project's programs as it is shipped, in a process of its own that can be killed, stopped for a while, and started again
/// on the same port. One that is supervised is started again when it ends without having been told to, as Kubernetes would do.
/// </summary>
/// <param name="program">Folder and name of the program, for example <c>silo/Silo</c>.</param>
/// <param name="settings">Environment variables.</param>
sealed class AppProcess(string program, Uri address, IReadOnlyDictionary<string, string> settings, bool supervised = false) : IAsyncDisposable
{
    /// <summary>Lines of output that are kept for a failure's message.</summary>
    const int KeptLines = 400;

    /// <summary>Starts without having been told to, after which something is wrong with more than the process.</summary>
    const int SupervisedStarts = 100;

    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60), ExitLimit = TimeSpan.FromSeconds(40);

    readonly HttpClient _http = new() { BaseAddress = address, Timeout = TimeSpan.FromSeconds(5) };
    readonly Queue<string> _output = new();
    readonly StringBuilder _errors = new();
    readonly Lock _lock = new();
    Process? _process;
    bool _isWanted;

    public Uri Address { get; } = address;

    /// <summary>How often it ended by itself and was started again.</summary>
    public int SelfRestarts { get; private set; }

    /// <summary>Told of each of <see cref="SelfRestarts"/>, with the exit code.</summary>
    public event Action<int>? EndedByItself;

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

    /// <summary>The last lines that the process, and those before it, have written.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return string.Join('\n', _output);
            }
        }
    }

    /// <summary>Starts the process and waits until it is ready.</summary>
    public async Task StartAsync()
    {
        Launch();
        await ReadyAsync();
    }

    /// <summary>Starts the process without waiting for it.</summary>
    public void Launch()
    {
        lock (_lock)
        {
            Assert.True(_process is null or { HasExited: true }, "The process is still running.");
            _isWanted = true;
            Run();
        }
    }

    public Task ReadyAsync() => Eventually.True($"{program} is ready", IsReadyAsync, () => Output + Errors, StartLimit);

    /// <summary>Starts the process, which is expected to fail.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> FailAsync()
    {
        Launch();
        _isWanted = false;
        await ExitedAsync();
        return _process!.ExitCode;
    }

    /// <summary>SIGKILL: the process has no say in it, stopped or not.</summary>
    public Task KillAsync()
    {
        lock (_lock)
        {
            _isWanted = false;
            _process!.Kill();
        }

        return ExitedAsync();
    }

    /// <summary>SIGTERM: the process may say goodbye.</summary>
    public Task TerminateAsync()
    {
        lock (_lock)
        {
            _isWanted = false;
            Signal("-TERM");
        }

        return ExitedAsync();
    }

    /// <summary>SIGSTOP: its connections stay open, and nothing answers.</summary>
    public void Pause() => Signal("-STOP");

    /// <summary>SIGCONT: it goes on, as if no time had passed.</summary>
    public void Resume() => Signal("-CONT");

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _isWanted = false;
        }

        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        _http.Dispose();
    }

    /// <summary>The program that was built with these tests, in the same configuration.</summary>
    static string PathOf(string program)
    {
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        return Path.GetFullPath(Path.Combine(
            own.FullName, "../../../..", Path.GetDirectoryName(program)!, "bin", own.Parent!.Name, own.Name, Path.GetFileName(program) + ".dll"));
    }

    /// <summary>Under the lock.</summary>
    void Run()
    {
        var start = new ProcessStartInfo("dotnet", [PathOf(program), "--urls", Address.GetLeftPart(UriPartial.Authority)])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in settings)
        {
            start.Environment[name] = value;
        }

        _process?.Dispose();
        var process = _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.Exited += (_, _) => OnExited(process);
        process.Start();
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    void OnExited(Process process)
    {
        int code;
        lock (_lock)
        {
            if (!supervised || !_isWanted || process != _process || SelfRestarts == SupervisedStarts)
            {
                return;
            }

            code = process.ExitCode;
            SelfRestarts++;
            Run();
        }

        Keep($"---- ended by itself with exit code {code}, and started again");
        EndedByItself?.Invoke(code);
    }

    void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_output)
        {
            _output.Enqueue($"{DateTime.UtcNow:HH:mm:ss.fff} {line}");
            if (_output.Count > KeptLines)
            {
                _output.Dequeue();
            }
        }
    }

    void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{_process!.Id}"]);
        kill.WaitForExit();
    }

    async Task ExitedAsync() => await _process!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(ExitLimit);

    async Task<bool> IsReadyAsync()
    {
        Assert.False(!supervised && _process!.HasExited, Errors);
        try
        {
            using var answer = await _http.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
        catch (TaskCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }
}
