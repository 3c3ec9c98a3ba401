using System.Net;
using System.Net.Sockets;

namespace OrleansRealtime.Tests.EndToEnd;

/// <summary>What the process says when it cannot start: one sentence that names what to change.</summary>
public sealed class FailedStartTests
{
    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var server = new ServerProcess(port);
        await SaysAsync(server, $"{port}");
    }

    [Fact]
    public async Task A_data_folder_that_cannot_be_is_named()
    {
        string file = Path.GetTempFileName();
        await using var server = new ServerProcess(dataFolder: Path.Combine(file, "data"));
        await SaysAsync(server, "Realtime:Store:DataFolder");
        File.Delete(file);
    }

    [Fact]
    public async Task A_corrupted_database_is_named_and_left_as_it_is()
    {
        await using var server = new ServerProcess();
        string file = Path.Combine(server.DataFolder, "realtime.db");
        byte[] garbage = new byte[32 << 10];
        new Random(1).NextBytes(garbage);
        await File.WriteAllBytesAsync(file, garbage, TestContext.Current.CancellationToken);
        await SaysAsync(server, "realtime.db");
        Assert.Equal(garbage, await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Production_without_a_key_names_the_setting()
    {
        await using var server = new ServerProcess(environment: "Production");
        await SaysAsync(server, "Realtime:Auth:Key");
    }

    static async Task SaysAsync(ServerProcess server, string name)
    {
        Assert.NotEqual(0, await server.FailAsync());
        string errors = server.Errors.Trim();
        Assert.Contains(name, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled exception", errors, StringComparison.Ordinal);
        Assert.Single(errors.Split('\n'));
    }
}
