namespace OrleansRealtime.Client.Encryption;

/// <summary>Why a message is not shown to the application (docs/encryption.md, "What is refused").</summary>
public static class RefusalCodes
{
    public const string NotEncrypted = "not_encrypted";
    public const string Malformed = "malformed";
    public const string UnknownSenderKey = "unknown_sender_key";
    public const string UnverifiedKey = "unverified_key";
    public const string NotForThisDevice = "not_for_this_device";
    public const string UnknownRoomKey = "unknown_room_key";
    public const string Tampered = "tampered";
    public const string Mismatch = "mismatch";
    public const string Replayed = "replayed";

    /// <summary>The code as a sentence.</summary>
    internal static string Explain(string code) => code switch
    {
        NotEncrypted => "A plain message in a conversation that is encrypted.",
        Malformed => "The message is not as encrypted messages are written.",
        UnknownSenderKey => "The key that it names as its sender is not one of that user.",
        UnverifiedKey => "Its sender's key has not been verified, and only verified keys are to be used.",
        NotForThisDevice => "It was not encrypted for this device.",
        UnknownRoomKey => "The key that it was encrypted with is not known.",
        Tampered => "It has been changed on its way, or was encrypted with another key.",
        Mismatch => "It was written for another conversation, by another sender, or as another message.",
        _ => "It is a repetition of an earlier message, or out of its order.",
    };
}
