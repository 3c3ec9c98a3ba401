using System.Text;
using System.Threading.Channels;
using OrleansRealtime.PubSub;

namespace OrleansRealtime.Tests.PubSub;

/// <summary>What a handler has been given.</summary>
sealed class Received
{
    static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    readonly Channel<TopicMessage> _messages = Channel.CreateUnbounded<TopicMessage>();

    public int Count => _messages.Reader.Count;

    /// <summary>Subscribes; completes when the subscription is ready.</summary>
    public static async Task<(Received Received, ITopicSubscription Subscription)> SubscribeAsync(IPubSub pubSub, string pattern)
    {
        var received = new Received();
        var subscription = pubSub.Subscribe(pattern, received.HandleAsync);
        await subscription.Ready.WaitAsync(s_limit, TestContext.Current.CancellationToken);
        return (received, subscription);
    }

    public Task HandleAsync(TopicMessage message, CancellationToken cancellationToken)
    {
        _messages.Writer.TryWrite(message);
        return Task.CompletedTask;
    }

    public Task<TopicMessage> NextAsync() => _messages.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(s_limit);

    /// <summary>The next messages' topics and JSON.</summary>
    public async Task<List<string>> NextAsync(int count)
    {
        var next = new List<string>();
        while (next.Count < count)
        {
            var message = await NextAsync();
            next.Add($"{message.Topic} {Encoding.UTF8.GetString(message.Data.Bytes)}");
        }

        return next;
    }
}
