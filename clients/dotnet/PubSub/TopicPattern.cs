namespace OrleansRealtime.Client.PubSub;

/// <summary>
/// Topics are words with dots between them, <c>orders.created.eu</c>. In a pattern <c>*</c> stands for one word, and <c>&gt;</c> as the last one for one or
/// more; the first word is always literal: it names the room of the topic.
/// </summary>
sealed class TopicPattern
{
    const int MaxBytes = 128;

    readonly string[] _words;

    TopicPattern(string[] words) => _words = words;

    public string Room => RoomOf(_words[0]);

    public static string RoomOf(string topic) => $"topic:{topic.Split('.')[0]}";

    /// <exception cref="RealtimeClientException"><c>invalid_argument</c>.</exception>
    public static TopicPattern Parse(string pattern)
    {
        string[] words = pattern.Split('.');
        bool valid = pattern.Length is > 0 and <= MaxBytes && IsWord(words[0])
            && words.Index().All(w => IsWord(w.Item) || w.Item == "*" || (w.Item == ">" && w.Index == words.Length - 1));
        return valid ? new(words) : throw new RealtimeClientException(
            "invalid_argument", $"'{pattern}' is no pattern: words of letters, digits, '_' and '-' with dots between them; '*' for a word, '>' at the end for several, but not first.");
    }

    /// <exception cref="RealtimeClientException"><c>invalid_argument</c>.</exception>
    public static void CheckTopic(string topic)
    {
        if (topic.Length is 0 or > MaxBytes || !topic.Split('.').All(IsWord))
        {
            throw new RealtimeClientException(
                "invalid_argument", $"'{topic}' is no topic: words of letters, digits, '_' and '-' with dots between them, {MaxBytes} bytes at most.");
        }
    }

    public bool Matches(string topic)
    {
        string[] words = topic.Split('.');
        bool rest = _words[^1] == ">";
        int literal = rest ? _words.Length - 1 : _words.Length;
        if (rest ? words.Length <= literal : words.Length != literal)
        {
            return false;
        }

        for (int i = 0; i < literal; i++)
        {
            if (_words[i] != "*" && _words[i] != words[i])
            {
                return false;
            }
        }

        return true;
    }

    static bool IsWord(string word) => word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
}
