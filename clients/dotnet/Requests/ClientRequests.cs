using System.Text.Json;
using OrleansRealtime.Client.Connections;

namespace OrleansRealtime.Client;

/// <summary>A question that the server, or another user, puts to this client.</summary>
/// <param name="From">The asking user; null where the server asks.</param>
public sealed record ClientRequest(string Event, JsonElement Data, string? From, JsonSerializerOptions Json)
{
    public T? DataAs<T>() => Data.ValueKind == JsonValueKind.Undefined ? default : Data.Deserialize<T>(Json);
}

/// <summary>An event that the application's server code sends to this connection. It is not kept: who is not connected does not get it.</summary>
public sealed record ServerEvent(string Event, JsonElement Data);

/// <summary>The handlers of questions. The server limits how many a client may owe an answer.</summary>
sealed class ClientRequests(RealtimeClient client)
{
    /// <summary>Of a refusal, in characters.</summary>
    const int MaxRefusal = 1000;

    readonly Dictionary<string, Func<ClientRequest, CancellationToken, Task<object?>>> _handlers = [];

    public IDisposable Add(string name, Func<ClientRequest, CancellationToken, Task<object?>> handler)
    {
        lock (_handlers)
        {
            if (!_handlers.TryAdd(name, handler))
            {
                throw new InvalidOperationException($"There is a handler for '{name}' already.");
            }
        }

        return new Removal(() =>
        {
            lock (_handlers)
            {
                _handlers.Remove(name);
            }
        });
    }

    /// <summary>Never throws; answers on the link that the question came by.</summary>
    public async Task AnswerAsync(HubLink link, JsonElement requested, CancellationToken cancellationToken)
    {
        try
        {
            var (id, name, data, from) = requested.Deserialize<Requested>(RealtimeClient.WireJson)!;
            Func<ClientRequest, CancellationToken, Task<object?>>? handler;
            lock (_handlers)
            {
                handler = _handlers.GetValueOrDefault(name);
            }

            if (handler is null)
            {
                await RefuseAsync(link, id, $"This client does not answer '{name}'.", cancellationToken);
                return;
            }

            JsonElement answer;
            try
            {
                answer = client.ToElement(await handler(new(name, data, from, client.Options.Json), cancellationToken));
            }
            catch (RequestRefusedException refusal)
            {
                await RefuseAsync(link, id, refusal.Message, cancellationToken);
                return;
            }
            catch (Exception exception)
            {
                client.OnHandlerFailed(exception);
                await RefuseAsync(link, id, "The client could not answer.", cancellationToken);
                return;
            }

            await link.InvokeAsync("Answer", [id, answer], cancellationToken);
        }
        catch (Exception exception) when (exception is not RealtimeClientException { Code: RealtimeClientErrors.ConnectionLost })
        {
            client.OnHandlerFailed(exception);
        }
        catch (RealtimeClientException)
        {
            // Whoever has asked is told that the connection has ended.
        }
    }

    static Task RefuseAsync(HubLink link, long id, string message, CancellationToken cancellationToken) =>
        link.InvokeAsync("Refuse", [id, message.Length > MaxRefusal ? message[..MaxRefusal] : message], cancellationToken);

    sealed record Requested(long Id, string Event, JsonElement Data, string? From);
}
