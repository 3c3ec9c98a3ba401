using System.Text.Json;

namespace OrleansRealtime.Client.Storage;

/// <summary>
/// Keeps texts in a file that only its owner may read: a line of JSON, <c>["name","value"]</c>, is appended for each change, and the file is
/// written anew once most of its lines are out of date. What was kept outlives the process, though not a power cut. One process at a time.
/// </summary>
public sealed class FileStore : IClientStore, IDisposable
{
    /// <summary>Lines that are out of date before the file is written anew.</summary>
    const int DeadLines = 2000;

    readonly Lock _lock = new();
    readonly string _path;
    readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);
    FileStream _file;
    int _lines;

    /// <exception cref="IOException">Another process has the file open.</exception>
    public FileStore(string path)
    {
        _path = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        _file = Open(_path, FileMode.OpenOrCreate);
        Read();
    }

    public IReadOnlyList<KeyValuePair<string, string>> Load(string prefix)
    {
        lock (_lock)
        {
            return [.. _values.Where(v => v.Key.StartsWith(prefix, StringComparison.Ordinal))];
        }
    }

    public void Keep(string name, string? value)
    {
        lock (_lock)
        {
            bool changed = value is null ? _values.Remove(name) : !_values.TryGetValue(name, out string? present) || present != value;
            if (!changed)
            {
                return;
            }

            if (value is not null)
            {
                _values[name] = value;
            }

            Append(_file, name, value);
            _file.Flush();
            _lines++;
            if (_lines - _values.Count > Math.Max(DeadLines, _values.Count))
            {
                WriteAnew();
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _file.Dispose();
        }
    }

    static FileStream Open(string path, FileMode mode)
    {
        // Windows renames only what is shared for that; elsewhere anything but none shares all.
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.Delete };
        if (!OperatingSystem.IsWindows())
        {
            options.Share = FileShare.None;
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new(path, options);
    }

    static void Append(FileStream file, string name, string? value)
    {
        file.Write(JsonSerializer.SerializeToUtf8Bytes(new[] { name, value }));
        file.WriteByte((byte)'\n');
    }

    void Read()
    {
        byte[] bytes = new byte[_file.Length];
        _file.ReadExactly(bytes);
        int start = 0;
        while (bytes.AsSpan(start).IndexOf((byte)'\n') is >= 0 and int length)
        {
            string?[] line = JsonSerializer.Deserialize<string?[]>(bytes.AsSpan(start, length))!;
            if (line[1] is { } value)
            {
                _values[line[0]!] = value;
            }
            else
            {
                _values.Remove(line[0]!);
            }

            _lines++;
            start += length + 1;
        }

        // What follows the last line's end was being written when the process was killed.
        _file.SetLength(start);
        _file.Position = start;
    }

    void WriteAnew()
    {
        string next = _path + ".new";
        var file = Open(next, FileMode.Create);
        foreach (var (name, value) in _values)
        {
            Append(file, name, value);
        }

        file.Flush();
        File.Move(next, _path, overwrite: true);
        _file.Dispose();
        _file = file;
        _lines = _values.Count;
    }
}
