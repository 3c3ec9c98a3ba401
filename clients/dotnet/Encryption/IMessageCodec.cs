using System.Text.Json;
using OrleansRealtime.Client.Connections;

namespace OrleansRealtime.Client.Encryption;

/// <summary>What encryption needs to be told, and asked, by the client.</summary>
interface IMessageCodec
{
    /// <summary>Whether <see cref="DecodeAsync"/> has anything to do with the messages of this room, or of the inbox.</summary>
    /// <param name="room">Null for the inbox.</param>
    bool Decodes(string? room);

    /// <summary>The client is closed.</summary>
    void Close();

    /// <summary>A link is open; nothing has been joined or sent on it yet.</summary>
    Task OnConnectedAsync(HubLink link, CancellationToken cancellationToken);

    void OnDisconnected();

    /// <summary>The room has been joined, or joined again.</summary>
    void OnJoined(HubLink link, string room);

    void OnLeft(string room);

    void OnPresence(PresenceChange change);

    /// <summary>The data to transmit. Called before each transmission, one at a time for each target, in the order of sending.</summary>
    ValueTask<JsonElement> EncodeAsync(HubLink link, SentMessage message, CancellationToken cancellationToken);

    /// <summary>As a message arrives. True: it is taken, the application does not get it. Must not block or throw.</summary>
    /// <param name="room">Null for the inbox.</param>
    bool Intercept(string? room, RealtimeMessage message);

    /// <summary>Null where the message is not for the application. One after the other for each channel. Never throws.</summary>
    /// <param name="live">False for messages of a history.</param>
    ValueTask<RealtimeMessage?> DecodeAsync(string? room, RealtimeMessage message, bool live);
}
