using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>The symmetric key: the configured one, or in Development one that is made once and kept in the data folder.</summary>
internal sealed partial class SigningKey
{
    public const string FileName = "dev-signing.key";

    const string Base64Prefix = "base64:";

    readonly ILogger<SigningKey> _log;

    public SigningKey(IOptions<AuthOptions> options, IConfiguration configuration, ILogger<SigningKey> log)
    {
        _log = log;
        AuthOptions auth = options.Value;
        if (auth.Authority is not null)
        {
            return;
        }

        byte[]? bytes;
        if (auth.Key is not null)
        {
            if (!TryParse(auth.Key, out bytes, out string? error))
            {
                throw Refused($"Realtime:Auth:Key {error}");
            }
        }
        else
        {
            // The store owns this setting. Without a folder nothing outlives the process, so the key need not either.
            string? folder = configuration["Realtime:Store:DataFolder"];
            bytes = folder == ":memory:" ? NewKey() : Kept(string.IsNullOrWhiteSpace(folder) ? "./data" : folder);
        }

        Key = new SymmetricSecurityKey(bytes);
    }

    /// <summary>Null where an authority signs.</summary>
    public SymmetricSecurityKey? Key { get; }

    /// <summary>Reads a key as it is written in settings.</summary>
    /// <param name="text">UTF-8 text, or <c>base64:</c> and base64.</param>
    /// <param name="key">The key's bytes.</param>
    /// <param name="error">What is wrong, as the end of a sentence that begins with the setting. It does not repeat the key.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out byte[]? key, [NotNullWhen(false)] out string? error)
    {
        try
        {
            key = text.StartsWith(Base64Prefix, StringComparison.Ordinal)
                ? Convert.FromBase64String(text[Base64Prefix.Length..])
                : Encoding.UTF8.GetBytes(text);
        }
        catch (FormatException)
        {
            key = null;
            error = "starts with 'base64:', and what follows is not base64.";
            return false;
        }

        error = key.Length >= AuthOptions.MinKeyBytes
            ? null
            : $"is too short: it has {key.Length} bytes and needs at least {AuthOptions.MinKeyBytes}. "
                + "A good one is 'base64:' and the output of 'openssl rand -base64 64'.";
        return error is null;
    }

    static byte[] NewKey() => RandomNumberGenerator.GetBytes(64);

    byte[] Kept(string folder)
    {
        string path = Path.GetFullPath(Path.Combine(folder, FileName));
        string text;
        try
        {
            if (!File.Exists(path))
            {
                Create(path);
            }

            text = File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused(
                $"The key for development tokens cannot be kept in '{path}': {e.Message} "
                + "Set Realtime:Auth:Key, or Realtime:Store:DataFolder to a folder that can be written (or ':memory:').");
        }

        return TryParse(text, out byte[]? key, out _)
            ? key
            : throw Refused($"'{path}' does not hold a key. Delete it, or set Realtime:Auth:Key.");
    }

    /// <summary>The file appears whole or not at all, and where two processes make one, both end up with the first.</summary>
    void Create(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string part = $"{path}.{Guid.NewGuid():N}";
        FileStreamOptions create = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using (FileStream file = new(part, create))
            {
                file.Write(Encoding.ASCII.GetBytes(Base64Prefix + Convert.ToBase64String(NewKey()) + "\n"));
            }

            File.Move(part, path, overwrite: false);
            LogKeyMade(path);
        }
        catch (IOException) when (File.Exists(path))
        {
            // Another process was first; its key is the one to read.
        }
        finally
        {
            File.Delete(part);
        }
    }

    [LoggerMessage(LogLevel.Information, "No Realtime:Auth:Key is set: a key for development was made and is kept in {Path}.")]
    partial void LogKeyMade(string path);

    static OptionsValidationException Refused(string why) => new(AuthOptions.Section, typeof(AuthOptions), [why]);
}
