using OrleansRealtime.Client.Storage;

namespace OrleansRealtime.Tests.Clients.DotNet;

public sealed class FileStoreTests : IDisposable
{
    readonly string _folder = Directory.CreateTempSubdirectory("realtime-store-").FullName;

    string File => Path.Combine(_folder, "deep", "store");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_kept_is_there_after_a_restart_and_what_was_cut_off_is_not()
    {
        using (var store = new FileStore(File))
        {
            store.Keep("b", "2\n\"ü\"");
            store.Keep("a", "1");
            store.Keep("a", "1, again");
            store.Keep("c", "gone");
            store.Keep("c", null);
        }

        System.IO.File.AppendAllText(File, "[\"d\",\"half of a l");
        using (var store = new FileStore(File))
        {
            Assert.Equal([new("a", "1, again"), new("b", "2\n\"ü\"")], store.Load(""));
            store.Keep("e", "3");
        }

        using var last = new FileStore(File);
        Assert.Equal([new("e", "3")], last.Load("e"));
        Assert.True(OperatingSystem.IsWindows() || System.IO.File.GetUnixFileMode(File) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public void The_file_does_not_grow_with_every_change()
    {
        using (var store = new FileStore(File))
        {
            for (int i = 0; i < 20_000; i++)
            {
                store.Keep($"cursor {i % 3}", $"{i}");
            }
        }

        Assert.InRange(new FileInfo(File).Length, 1, 100_000);
        using var again = new FileStore(File);
        Assert.Equal(["19998", "19999", "19997"], again.Load("cursor").Select(entry => entry.Value));
    }

    [Fact]
    public void Two_processes_do_not_share_a_file()
    {
        using var store = new FileStore(File);
        Assert.Throws<IOException>(() => new FileStore(File));
    }
}
