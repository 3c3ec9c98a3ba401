using System.Text.Json;

namespace OrleansRealtime.Client.Encryption;

/// <summary>A member of a room asks for keys.</summary>
/// <param name="Attempt">1 or 2.</param>
/// <param name="Ids">None: the one to encrypt with.</param>
sealed record KeyRequest(string Sender, string Ask, int Attempt, IReadOnlyList<string> Ids)
{
    public const string Event = "e2e:key-request";

    /// <summary>Keys that one request may ask for.</summary>
    public const int MaxIds = 100;

    public JsonElement Write() => JsonSerializer.SerializeToElement(new { e2e = 1, kind = "key-request", sender = Sender, ask = Ask, attempt = Attempt, ids = Ids });

    /// <summary>Null where the data is none.</summary>
    public static KeyRequest? Read(JsonElement data) =>
        data.Property("e2e").Whole() == 1 && data.Property("kind").Text() == "key-request" && data.Property("sender").Bytes(Nacl.KeyBytes) is not null
        && data.Property("ask").Bytes(Nacl.IdBytes) is not null && data.Property("attempt").Whole() is 1 or 2 && data.Property("ids") is { ValueKind: JsonValueKind.Array } ids
        && ids.GetArrayLength() <= MaxIds && ids.EnumerateArray().All(id => ((JsonElement?)id).Bytes(Nacl.IdBytes) is not null)
            ? new(data.Property("sender").Text()!, data.Property("ask").Text()!, (int)data.Property("attempt").Whole()!, [.. ids.EnumerateArray().Select(id => id.GetString()!)])
            : null;
}
