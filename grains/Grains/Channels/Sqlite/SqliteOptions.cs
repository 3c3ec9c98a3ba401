using Microsoft.Extensions.Options;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>How safely a commit reaches the disk.</summary>
public enum SqliteSynchronous
{
    /// <summary>Survives a killed process. A power cut may lose the last moments, never what is older.</summary>
    Normal,

    /// <summary>Survives a power cut too: every commit waits for the disk.</summary>
    Full,
}

/// <summary>The message log of a single process. Configuration section <c>Realtime:Store</c>.</summary>
public sealed class SqliteOptions
{
    public const string Section = "Realtime:Store";

    /// <summary>The value of <see cref="DataFolder"/> that keeps everything in memory, for as long as the process lives.</summary>
    public const string InMemory = ":memory:";

    /// <summary>Where <c>realtime.db</c> lies, relative to the current directory; or <c>:memory:</c>.</summary>
    public string DataFolder { get; set; } = "./data";

    public SqliteSynchronous Synchronous { get; set; } = SqliteSynchronous.Normal;
}

internal sealed class SqliteOptionsValidator : IValidateOptions<SqliteOptions>
{
    public ValidateOptionsResult Validate(string? name, SqliteOptions options)
    {
        if (string.IsNullOrWhiteSpace(options.DataFolder) || options.DataFolder.Contains('\0', StringComparison.Ordinal))
        {
            return ValidateOptionsResult.Fail(
                $"{SqliteOptions.Section}:{nameof(SqliteOptions.DataFolder)} must name a folder, or be '{SqliteOptions.InMemory}'.");
        }

        return Enum.IsDefined(options.Synchronous)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail($"{SqliteOptions.Section}:{nameof(SqliteOptions.Synchronous)} must be 'Normal' or 'Full'.");
    }
}
