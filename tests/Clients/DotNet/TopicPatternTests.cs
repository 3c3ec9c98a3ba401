using OrleansRealtime.Client;
using OrleansRealtime.Client.PubSub;

namespace OrleansRealtime.Tests.Clients.DotNet;

public sealed class TopicPatternTests
{
    [Theory]
    [InlineData("orders", "orders", true)]
    [InlineData("orders", "orders.created", false)]
    [InlineData("orders.*", "orders.created", true)]
    [InlineData("orders.*", "orders", false)]
    [InlineData("orders.*", "orders.created.eu", false)]
    [InlineData("orders.*.eu", "orders.created.eu", true)]
    [InlineData("orders.*.eu", "orders.created.us", false)]
    [InlineData("orders.>", "orders.created.eu", true)]
    [InlineData("orders.>", "orders.created", true)]
    [InlineData("orders.>", "orders", false)]
    [InlineData("orders.created", "invoices.created", false)]
    public void A_pattern_matches(string pattern, string topic, bool matches) => Assert.Equal(matches, TopicPattern.Parse(pattern).Matches(topic));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData(">")]
    [InlineData("*.created")]
    [InlineData("orders.>.eu")]
    [InlineData("orders..eu")]
    [InlineData("orders.cre*")]
    [InlineData("orders created")]
    public void What_is_no_pattern_is_refused(string pattern) =>
        Assert.Equal("invalid_argument", Assert.Throws<RealtimeClientException>(() => TopicPattern.Parse(pattern)).Code);

    [Theory]
    [InlineData("orders.*")]
    [InlineData("orders.")]
    [InlineData("órders")]
    public void What_is_no_topic_is_refused(string topic) =>
        Assert.Equal("invalid_argument", Assert.Throws<RealtimeClientException>(() => TopicPattern.CheckTopic(topic)).Code);
}
