using System.Text.Json;

namespace OrleansRealtime.Tests.Contracts;

/// <summary>A message as a real client of some transport has received it.</summary>
/// <param name="Kind"><c>message</c>, <c>direct</c>, <c>notification</c>, <c>presence</c>, <c>gap</c> or <c>closing</c>.</param>
/// <param name="Cursor">What this client would resume with after it.</param>
sealed record Received(string Kind, JsonElement Body, string? Cursor)
{
    public long Offset => Body.GetProperty("offset").GetInt64();

    public string? Text => Body.GetProperty("data").GetString();
}

/// <summary>One connection of a real client, in one room.</summary>
interface ITransportClient : IAsyncDisposable
{
    /// <summary>What it has been told about its join: false where messages after its cursor are gone.</summary>
    bool Recovered { get; }

    /// <summary>Publishes to the client's room; returns the offset.</summary>
    Task<long> SendAsync(string text, string? messageId = null);

    /// <summary>The next message, direct message, notification or gap.</summary>
    Task<Received> NextAsync(string kind = "message");

    /// <summary>Completes when the server has ended the connection, with the reason it gave.</summary>
    Task<string?> ClosedAsync();
}

/// <summary>Opens connections of one transport.</summary>
interface ITransport
{
    Task<ITransportClient> JoinAsync(Uri server, string token, string room, string? cursor = null);

    /// <summary>Joins and then does not read what it is sent until <see cref="IStalledClient.ResumeAsync"/>.</summary>
    Task<IStalledClient> JoinStalledAsync(Uri server, string token, string room);
}

/// <summary>A client that has stopped reading.</summary>
interface IStalledClient : IAsyncDisposable
{
    /// <summary>Reads what is left until the connection ends; returns the kinds of what came.</summary>
    Task<IReadOnlyList<Received>> ResumeAsync();
}
