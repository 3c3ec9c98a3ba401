using System.Text.Json;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Client.Storage;

namespace OrleansRealtime.Client;

public sealed class RealtimeClientOptions
{
    /// <summary>Where the server is, for example <c>https://chat.example</c>. What the client needs is below it: <c>/hub</c> and <c>/api</c>.</summary>
    public required Uri Url { get; init; }

    /// <summary>The user's token, where it never changes. Otherwise <see cref="GetToken"/>.</summary>
    public string? Token { get; init; }

    /// <summary>
    /// Fetches a token: before the first connection, with a fifth of the present one's life left, and once after the server has refused one.
    /// What it throws is taken for an outage and tried again, except for a <see cref="RealtimeClientException"/> that is permanent.
    /// </summary>
    public Func<TokenRequest, CancellationToken, Task<string>>? GetToken { get; init; }

    /// <summary>Whose tokens <see cref="GetToken"/> fetches, where that is known before. Then what is sent before the first connection is kept in the store, too.</summary>
    public string? User { get; init; }

    public BackoffOptions Backoff { get; init; } = new();

    /// <summary>Where cursors and unsent messages are kept. In memory by default; with a <see cref="FileStore"/> they outlive the process.</summary>
    public IClientStore Storage { get; init; } = new MemoryStore();

    /// <summary>Messages that may wait to be sent or acknowledged. One more is refused with <c>outbox_full</c>.</summary>
    public int OutboxLimit { get; init; } = 1000;

    /// <summary>
    /// How long the server remembers message ids (its setting <c>Realtime:Channels:DeduplicationWindow</c>, 5 minutes by default), less some
    /// margin. A message whose acknowledgement was lost is not sent again later than this.
    /// </summary>
    public TimeSpan DeduplicationWindow { get; init; } = TimeSpan.FromMinutes(4.5);

    /// <summary>Messages that wait for one reader. A reader that is slower reads on from the server's history.</summary>
    public int ReaderBuffer { get; init; } = 256;

    /// <summary>How long requests, histories and the like may take, waiting for a connection included.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one attempt to connect may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A connection on which nothing has come for this long is taken to be dead. The server is never silent for longer than 15 s.</summary>
    public TimeSpan ServerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How the application's data is written and read; by default as on the web: <c>camelCase</c>.</summary>
    public JsonSerializerOptions Json { get; init; } = JsonSerializerOptions.Web;

    /// <summary>Opens the connections, for proxies and certificates. It stays the application's and is not disposed.</summary>
    public HttpMessageHandler? MessageHandler { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>For what the SignalR client has to say. None by default.</summary>
    public ILoggerFactory? Logging { get; init; }

    internal void Check()
    {
        if (!Url.IsAbsoluteUri || Url.Scheme is not ("http" or "https"))
        {
            throw new ArgumentException("Url must be an absolute http or https address.");
        }

        if (Token is null == GetToken is null)
        {
            throw new ArgumentException("Either Token or GetToken must be given.");
        }

        if (OutboxLimit < 1 || ReaderBuffer < 1 || Backoff.Attempts < 1 || Backoff.First < TimeSpan.Zero || Backoff.Jitter < TimeSpan.Zero)
        {
            throw new ArgumentException("OutboxLimit, ReaderBuffer and Backoff.Attempts must be at least 1, and the times of Backoff not negative.");
        }
    }
}

public enum TokenReason
{
    /// <summary>There is none yet, or it is about to expire.</summary>
    Connecting,

    /// <summary>The present one is about to expire, and the connection is to go on.</summary>
    Expiring,

    /// <summary>The server has refused the present one: a cached one is of no use.</summary>
    Refused,
}

/// <summary>Why a token is wanted.</summary>
public readonly record struct TokenRequest(TokenReason Reason)
{
    /// <summary>Whether a token that was handed out before will not do.</summary>
    public bool Refresh => Reason != TokenReason.Connecting;
}
