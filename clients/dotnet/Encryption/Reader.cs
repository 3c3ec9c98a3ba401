namespace OrleansRealtime.Client.Encryption;

/// <summary>What a client knows when it reads a message of one conversation.</summary>
/// <param name="IsKeyOf">Whether the directory has the key under this user's name, or the client remembers it as his.</param>
/// <param name="MayUse">Always true where unverified keys are used too.</param>
sealed record Reader(DeviceKey Device, Func<string, string, bool> IsKeyOf, Func<string, string, bool> MayUse, Func<string, byte[]?> RoomKey, Replays Replays)
{
    /// <summary>All checks, in the order of docs/encryption.md: the first that fails is the refusal; null where none does. Throws nothing, whatever the message.</summary>
    /// <param name="room">Null for direct messages.</param>
    /// <param name="user">Whose inbox it is.</param>
    /// <param name="forgotten">A session whose replays are not noticed any more.</param>
    public string? Open(string? room, string user, RealtimeMessage message, out Opened opened, out string? forgotten)
    {
        opened = default;
        forgotten = null;
        byte[]? box = null;
        RoomEnvelope envelope = default;
        string sender;
        string? refusal;
        if (room is null)
        {
            refusal = Envelope.ReadDirect(message.Data, Device.Name, out sender, out box);
        }
        else
        {
            refusal = Envelope.ReadRoom(message.Data, out envelope);
            sender = envelope.Sender;
        }

        if (refusal is not null)
        {
            return refusal;
        }

        if (message.From is not { } from || !IsKeyOf(from, sender))
        {
            return RefusalCodes.UnknownSenderKey;
        }

        if (!MayUse(from, sender))
        {
            return RefusalCodes.UnverifiedKey;
        }

        var fields = new MessageFields(from, user, room is null ? null : message.Room, message.Event, message.MessageId, message.Key);
        refusal = room is null
            ? Envelope.OpenDirect(box, sender, fields, Device, out opened)
            : Envelope.OpenRoom(envelope, fields, RoomKey(envelope.KeyId), out opened);
        return refusal
            ?? (Replays.TryAccept(SessionName(from, sender, opened.Count.Session), opened.Count.N, message, out forgotten) ? null : RefusalCodes.Replayed);
    }

    /// <summary>User ids have no control characters.</summary>
    public static string SessionName(string from, string sender, string session) => $"{from}\n{sender}\n{session}";
}
