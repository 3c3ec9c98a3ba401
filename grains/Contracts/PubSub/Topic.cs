using System.Diagnostics.CodeAnalysis;
using OrleansRealtime.Channels;

namespace OrleansRealtime.PubSub;

/// <summary>
/// What a publication is about: words separated by dots, <c>orders.created.eu</c>. The first word names its channel, the room
/// <c>topic:orders</c>; there the topic is the message's event. So every client of that room gets it, and the channel's log keeps it.
/// </summary>
public readonly record struct Topic
{
    /// <summary>Characters of a topic, or a pattern.</summary>
    public const int MaxLength = RoomName.MaxBytes;

    /// <summary>What the names of the rooms begin with.</summary>
    public const string RoomPrefix = "topic:";

    /// <summary>The room's name has to hold the first word.</summary>
    const int MaxFirstWord = RoomName.MaxBytes - 6;

    static readonly System.Buffers.SearchValues<char> s_wordCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    Topic(string name) => Name = name;

    /// <summary>The whole topic.</summary>
    public string Name { get; }

    /// <summary>The room of its channel, for example <c>topic:orders</c>.</summary>
    public string Room => RoomPrefix + FirstWord(Name).ToString();

    /// <param name="text">For example <c>orders.created.eu</c>.</param>
    /// <exception cref="ArgumentException">It is not a topic; the message says what one is.</exception>
    public static Topic Parse(string text) => TryParse(text, out var topic, out string? error) ? topic : throw new ArgumentException(error, nameof(text));

    /// <param name="error">What is wrong and what is allowed.</param>
    public static bool TryParse(string? text, out Topic topic, [NotNullWhen(false)] out string? error)
    {
        topic = default;
        if (CheckLength(text, "A topic") is { } length)
        {
            error = length;
            return false;
        }

        error = CheckFirstWord(text!);
        foreach (string word in text!.Split('.'))
        {
            error ??= CheckWord(word, "A topic");
        }

        topic = error is null ? new(text) : default;
        return error is null;
    }

    /// <summary>Checks what is published to a room: in the room of a channel it must be a topic of that channel. Other rooms are no business of this.</summary>
    public static bool TryCheck(RoomName room, string @event, [NotNullWhen(false)] out string? error)
    {
        error = null;
        if (!IsRoom(room))
        {
            return true;
        }

        if (TryParse(@event, out var topic, out error) && topic.Room != room.Name)
        {
            error = $"The event of a message in the room '{room}' is a topic whose first word is '{room.Name[RoomPrefix.Length..]}'; '{@event}' belongs in '{topic.Room}'.";
        }

        return error is null;
    }

    /// <summary>Whether the room is a channel's.</summary>
    public static bool IsRoom(RoomName room) => room.Namespace == RoomName.DefaultNamespace && room.Name.StartsWith(RoomPrefix, StringComparison.Ordinal);

    public override string ToString() => Name;

    internal static string? CheckLength([NotNullWhen(false)] string? text, string what) => string.IsNullOrEmpty(text) ? $"{what} must not be empty."
        : text.Length > MaxLength ? $"{what} may have at most {MaxLength} characters."
        : null;

    internal static string? CheckWord(string word, string what) => word.Length == 0
        ? $"{what} is words separated by single dots, such as 'orders.created'; one of them is empty."
        : word.AsSpan().ContainsAnyExcept(s_wordCharacters)
            ? $"{what} is words of the letters a to z and A to Z, digits, '_' and '-', separated by dots; '{word}' is none."
            : null;

    internal static string? CheckFirstWord(string text) =>
        FirstWord(text).Length > MaxFirstWord ? $"The first word of a topic may have at most {MaxFirstWord} characters." : null;

    internal static ReadOnlySpan<char> FirstWord(string text) => text.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot ? text.AsSpan(0, dot) : text;
}
