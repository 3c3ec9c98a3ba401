using System.Buffers.Text;
using System.Text.Json;

namespace OrleansRealtime.Client.Connections;

/// <summary>The user's tokens. They are read only to know whose they are and when they end; whether one is valid is the server's to say.</summary>
sealed class TokenSource(RealtimeClientOptions options)
{
    /// <summary>A token this close to its end is not worth connecting with.</summary>
    static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    string? _current;

    public bool IsRenewable => options.GetToken is not null;

    /// <summary>The token's subject; null where it is not known before the first token, or where tokens cannot be read.</summary>
    public string? User { get; private set; } = options.User ?? (options.Token is { } token ? Read(token).User : null);

    public DateTimeOffset? ExpiresAt { get; private set; }

    /// <summary>The present one, for calls beside the connection.</summary>
    public string? Current => _current;

    public async Task<string> GetAsync(TokenReason reason, CancellationToken cancellationToken)
    {
        if (options.GetToken is not { } get)
        {
            Adopt(options.Token!);
        }
        else if (_current is null || reason != TokenReason.Connecting || ExpiresAt - options.Time.GetUtcNow() < Margin)
        {
            Adopt(await get(new(_current is null ? TokenReason.Connecting : reason), cancellationToken));
        }

        return _current!;
    }

    void Adopt(string token)
    {
        var (user, expiresAt) = Read(token);
        if (User is not null && user is not null && user != User)
        {
            throw new RealtimeClientException("not_allowed", "The token is another user's. A client is one user's.");
        }

        _current = token;
        User ??= user;
        ExpiresAt = expiresAt;
    }

    static (string? User, DateTimeOffset? ExpiresAt) Read(string token)
    {
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));
            return (
                claims.RootElement.TryGetProperty("sub", out var subject) ? subject.GetString() : null,
                claims.RootElement.TryGetProperty("exp", out var expires) ? DateTimeOffset.FromUnixTimeSeconds(expires.GetInt64()) : null);
        }
        catch (Exception exception) when (exception is FormatException or JsonException or IndexOutOfRangeException or InvalidOperationException or ArgumentException)
        {
            // Not a JWT, or an encrypted one.
            return default;
        }
    }
}
