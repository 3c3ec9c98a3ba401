using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using OrleansRealtime.Hosting;

namespace OrleansRealtime.Tests.Redis;

/// <summary>
/// A redis-server of one's own, on a free loopback port and in a temporary folder. It can be killed, started again on the same port
/// and folder, and stopped for a while. It ends with its disposal.
/// </summary>
sealed class RedisServer : IAsyncDisposable
{
    readonly bool _appendOnly;
    readonly string[] _arguments;
    Process? _process;

    RedisServer(bool appendOnly, string[] arguments)
    {
        _appendOnly = appendOnly;
        _arguments = arguments;
    }

    public int Port { get; private set; }

    public string ConnectionString => $"127.0.0.1:{Port}";

    /// <summary>Where the append-only file and the server's log are.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("realtime-redis-").FullName;

    public int ProcessId => _process!.Id;

    /// <summary>What the server has written to its log.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    string LogFile => Path.Combine(Folder, "redis.log");

    /// <summary>Starts a server and waits until it answers.</summary>
    /// <param name="appendOnly">Whether what it has been told outlives <see cref="Kill"/>; otherwise it starts again empty.</param>
    /// <param name="arguments">Further ones, for example <c>--maxmemory 50mb</c> as two strings.</param>
    public static async Task<RedisServer> StartAsync(bool appendOnly = false, params string[] arguments)
    {
        var server = new RedisServer(appendOnly, arguments);
        for (int attempt = 1; ; attempt++)
        {
            server.Port = FreePort.Next();
            if (await server.TryLaunchAsync())
            {
                return server;
            }

            // Somebody else has taken the port meanwhile, or an argument is wrong.
            Assert.True(attempt < 5, $"redis-server does not start. {server.Log}");
        }
    }

    /// <summary>SIGKILL: the server has no say in it. Returns when it is gone.</summary>
    public void Kill()
    {
        // One that is stopped dies of this, too.
        _process!.Kill();
        _process.WaitForExit();
    }

    /// <summary>Starts the server again after <see cref="Kill"/>, on the same port and folder, and waits until it answers.</summary>
    public async Task RestartAsync() => Assert.True(await TryLaunchAsync(), $"redis-server does not start again. {Log}");

    /// <summary>SIGSTOP: its connections stay open, and nothing answers.</summary>
    public void Pause() => Signal("-STOP");

    /// <summary>SIGCONT: it goes on, and executes what came meanwhile.</summary>
    public void Resume() => Signal("-CONT");

    /// <summary>Sends one command on a connection of its own, and returns the beginning of the answer as it comes.</summary>
    public async Task<string> CommandAsync(string command)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port, TestContext.Current.CancellationToken);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"), TestContext.Current.CancellationToken);
        byte[] answer = new byte[4096];
        int length = await stream.ReadAsync(answer, TestContext.Current.CancellationToken);
        return Encoding.ASCII.GetString(answer, 0, length);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        _process?.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    async Task<bool> TryLaunchAsync()
    {
        _process?.Dispose();
        _process = Process.Start(new ProcessStartInfo(
            "redis-server",
            [
                "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", Folder, "--logfile", LogFile,

                // What the kernel has been given outlives the process. With "everysec" writes may be held back while a sync is under way.
                "--save", "", "--appendonly", _appendOnly ? "yes" : "no", "--appendfsync", "no", .. _arguments,
            ]))!;
        await Eventually.True("redis-server answers or ends", async () => _process.HasExited || await AnswersAsync(), () => Log);
        return !_process.HasExited;
    }

    async Task<bool> AnswersAsync()
    {
        try
        {
            // While it reads its files it says -LOADING.
            return (await CommandAsync("PING")).StartsWith("+PONG", StringComparison.Ordinal);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }

    void Signal(string signal)
    {
        using var kill = Process.Start("kill", [signal, $"{ProcessId}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }
}
