using System.Text.Json;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Wire;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>An acknowledgement by which a client refuses: <c>{status: 'error', error: {message}}</c>, or <c>error</c> a sentence. It is what the server answers with as well.</summary>
static class SocketIoRefusal
{
    /// <param name="message">The client's sentence; null where it has none.</param>
    public static bool TryRead(EventData acknowledgement, out string? message)
    {
        message = null;
        if (acknowledgement.Count == 0 || acknowledgement[0].Span is [] or [not (byte)'{', ..])
        {
            return false;
        }

        using var first = JsonDocument.Parse(acknowledgement[0]);
        if (!first.RootElement.TryGetProperty("status"u8, out var status) || JsonText.Read(status) != "error")
        {
            return false;
        }

        if (first.RootElement.TryGetProperty("error"u8, out var error))
        {
            message = error.ValueKind == JsonValueKind.Object && error.TryGetProperty("message"u8, out var sentence) ? JsonText.Read(sentence) : JsonText.Read(error);
        }

        return true;
    }
}
