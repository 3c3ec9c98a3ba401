using System.Text;
using CsCheck;
using OrleansRealtime.Channels;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Tests.PubSub;

public sealed class TopicTests
{
    const string WordCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    static readonly Gen<string> s_word = Gen.String[Gen.Char[WordCharacters], 1, 12];

    static readonly Gen<string[]> s_words = s_word.Array[1, 8];

    [Theory]
    [InlineData("orders", "topic:orders")]
    [InlineData("orders.created.eu", "topic:orders")]
    [InlineData("A_1-b.-", "topic:A_1-b")]
    public void A_topic_is_words_with_dots_between_and_the_first_names_its_room(string text, string room)
    {
        var topic = Topic.Parse(text);
        Assert.Equal((text, room), (topic.Name, topic.Room));
        Assert.Equal(room, TopicPattern.Parse(text).Room);
    }

    [Theory]
    [InlineData("", "must not be empty")]
    [InlineData(".orders", "one of them is empty")]
    [InlineData("orders.", "one of them is empty")]
    [InlineData("orders..eu", "one of them is empty")]
    [InlineData("orders.*", "'*' is none")]
    [InlineData("orders.>", "'>' is none")]
    [InlineData("orders created", "'orders created' is none")]
    [InlineData("örders", "'örders' is none")]
    [InlineData("orders:created", "'orders:created' is none")]
    public void What_is_no_topic_is_refused_with_the_reason(string text, string reason)
    {
        Assert.False(Topic.TryParse(text, out _, out string? error));
        Assert.StartsWith("A topic ", error, StringComparison.Ordinal);
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.Contains(reason, Assert.Throws<ArgumentException>(() => Topic.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "must not be empty")]
    [InlineData("*", "must not be a wildcard")]
    [InlineData(">", "must not be a wildcard")]
    [InlineData("*.created", "must not be a wildcard")]
    [InlineData("orders.>.eu", "only be the last word")]
    [InlineData("orders..eu", "one of them is empty")]
    [InlineData("orders.cre*", "'cre*' is none")]
    [InlineData("orders.**", "'**' is none")]
    public void What_is_no_pattern_is_refused_with_the_reason(string text, string reason)
    {
        Assert.False(TopicPattern.TryParse(text, out _, out string? error));
        Assert.Contains(reason, error, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => TopicPattern.Parse(text));
    }

    [Theory]
    [InlineData("orders", "orders", true)]
    [InlineData("orders", "orders.created", false)]
    [InlineData("orders.created", "orders", false)]
    [InlineData("orders.*", "orders.created", true)]
    [InlineData("orders.*", "orders", false)]
    [InlineData("orders.*", "orders.created.eu", false)]
    [InlineData("orders.*.eu", "orders.created.eu", true)]
    [InlineData("orders.*.eu", "orders.created.us", false)]
    [InlineData("orders.>", "orders.created.eu", true)]
    [InlineData("orders.>", "orders.created", true)]
    [InlineData("orders.>", "orders", false)]
    [InlineData("orders.>", "orders.", false)]
    [InlineData("orders.*.>", "orders.created.eu.north", true)]
    [InlineData("orders.*.>", "orders.created", false)]
    [InlineData("orders.created", "Orders.created", false)]
    [InlineData("orders.>", "refunds.created", false)]
    public void A_star_is_one_word_and_an_arrow_the_rest(string pattern, string topic, bool matches) =>
        Assert.Equal(matches, TopicPattern.Parse(pattern).Matches(topic));

    [Fact]
    public void A_topic_has_128_characters_at_most_and_its_room_a_valid_name()
    {
        Assert.True(Topic.TryParse("a." + new string('x', 126), out _, out _));
        Assert.False(Topic.TryParse("a." + new string('x', 127), out _, out _));
        Assert.True(Topic.TryParse(new string('x', 122), out var topic, out _));
        Assert.True(RoomName.TryParse(topic.Room, out _, out _));
        Assert.False(Topic.TryParse(new string('x', 123), out _, out string? error));
        Assert.Equal("The first word of a topic may have at most 122 characters.", error);
        Assert.False(TopicPattern.TryParse(new string('x', 123) + ".*", out _, out _));
    }

    [Fact]
    public void Every_text_of_words_is_a_topic_and_a_pattern_of_itself_alone() => Gen.Select(s_words, s_words).Sample((one, two) =>
    {
        (string first, string second) = (string.Join('.', one), string.Join('.', two));
        var pattern = TopicPattern.Parse(first);
        return Topic.Parse(first).Name == first && pattern.Matches(first) && pattern.Matches(second) == (first == second);
    });

    [Fact]
    public void A_pattern_matches_what_a_plain_definition_says() => Gen.Select(
        OneOf("a", "b", "*").Array[0, 4], Gen.Bool, OneOf("a", "b").Array[0, 5]).Sample((middle, rest, words) =>
    {
        string[] pattern = ["a", .. middle, .. rest ? (string[])[">"] : []];
        string[] topic = ["a", .. words];
        bool expected = rest
            ? topic.Length >= pattern.Length && pattern[..^1].Zip(topic).All(p => p.First == "*" || p.First == p.Second)
            : topic.Length == pattern.Length && pattern.Zip(topic).All(p => p.First == "*" || p.First == p.Second);
        return TopicPattern.Parse(string.Join('.', pattern)).Matches(string.Join('.', topic)) == expected;
    });

    [Fact]
    public void Arbitrary_text_is_parsed_or_refused_with_a_reason() => Gen.String.Sample(text =>
    {
        bool topic = Topic.TryParse(text, out _, out string? error);
        Assert.Equal(topic, error is null);
        bool pattern = TopicPattern.TryParse(text, out _, out error);
        Assert.Equal(pattern, error is null);
        Assert.True(!topic || pattern);
    });

    [Fact]
    public void Data_is_read_from_JSON_from_bytes_and_from_both_together()
    {
        Assert.Equal(new Order("tea", null), Of(new(PayloadKind.Json, """{"item":"tea"}"""u8.ToArray())).Get<Order>());
        Assert.Equal([1, 2], Of(Payload.Of(new byte[] { 1, 2 })).Get<byte[]>()!);
        Assert.Throws<System.Text.Json.JsonException>(() => Of(Payload.Of(new byte[] { 1, 2 })).Get<Order>());
        Assert.Null(Of(Payload.Null).Get<Order>());
        string placeholder = """{"_placeholder":true,"num":0}""";
        var mixed = Payload.Mixed(Encoding.UTF8.GetBytes($$"""{"item":"tea","list":[{{placeholder}},"AQ=="],"label":{{placeholder}}}"""), [new byte[] { 7 }]);
        var read = Of(mixed).Get<Labelled>()!;
        Assert.Equal("tea", read.Item);
        Assert.Equal([7], read.Label);
        Assert.Equal([[7], [1]], read.List);
    }

    static Gen<string> OneOf(params string[] words) => Gen.Int[0, words.Length - 1].Select(i => words[i]);

    static TopicMessage Of(Payload data) => new("orders", data, null, "", 0, default, null);

    sealed record Order(string Item, byte[]? Label);

    sealed record Labelled(string Item, byte[] Label, byte[][] List);
}
