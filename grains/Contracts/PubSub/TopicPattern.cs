using System.Diagnostics.CodeAnalysis;

namespace OrleansRealtime.PubSub;

/// <summary>
/// Which topics a subscription wants: a topic in which <c>*</c> may stand for one word, and <c>&gt;</c> at the end for one or more. The
/// first word is a word, because it names the channel: <c>orders.*.eu</c>, <c>orders.&gt;</c>.
/// </summary>
public sealed class TopicPattern
{
    const string One = "*", Rest = ">";

    readonly string[] _words;

    TopicPattern(string text, string[] words) => (Text, _words) = (text, words);

    /// <summary>The pattern as it was written.</summary>
    public string Text { get; }

    /// <summary>The room of the channel, for example <c>topic:orders</c>.</summary>
    public string Room => Topic.RoomPrefix + _words[0];

    /// <exception cref="ArgumentException">It is not a pattern; the message says what one is.</exception>
    public static TopicPattern Parse(string text) => TryParse(text, out var pattern, out string? error) ? pattern : throw new ArgumentException(error, nameof(text));

    /// <param name="error">What is wrong and what is allowed.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out TopicPattern? pattern, [NotNullWhen(false)] out string? error)
    {
        pattern = null;
        error = Topic.CheckLength(text, "A pattern");
        if (error is not null)
        {
            return false;
        }

        string[] words = text!.Split('.');
        for (int i = 0; i < words.Length; i++)
        {
            error ??= words[i] switch
            {
                One or Rest when i == 0 => "The first word of a pattern must not be a wildcard: it names the channel.",
                Rest when i < words.Length - 1 => "'>' may only be the last word of a pattern.",
                One or Rest => null,
                _ => Topic.CheckWord(words[i], "A pattern"),
            };
        }

        error ??= Topic.CheckFirstWord(text);
        pattern = error is null ? new(text, words) : null;
        return error is null;
    }

    /// <summary>Whether the pattern stands for the topic. What is no topic is none of its.</summary>
    public bool Matches(ReadOnlySpan<char> topic)
    {
        int at = 0;
        foreach (var range in topic.Split('.'))
        {
            var word = topic[range];
            if (at == _words.Length || word.IsEmpty)
            {
                return false;
            }

            if (_words[at] == Rest)
            {
                return true;
            }

            if (_words[at] != One && !word.SequenceEqual(_words[at]))
            {
                return false;
            }

            at++;
        }

        return at == _words.Length;
    }

    public override string ToString() => Text;
}
