using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Tests.Channels;

public sealed class MessageListTests
{
    readonly Serializer _serializer = new ServiceCollection().AddSerializer().BuildServiceProvider().GetRequiredService<Serializer>();

    [Fact]
    public void Messages_of_every_kind_arrive_as_they_were_sent()
    {
        Message[] sent =
        [
            new(7, 1, "message", new(PayloadKind.Json, "{}"u8.ToArray()), "ann", "id", Delivery.Durable, null),
            new(0, 2, "typing", new(PayloadKind.Binary, []), null, null, Delivery.Transient, null),
            new(3, 3, "place", Payload.Mixed("[]"u8, [new byte[] { 1, 2 }]), "bob", null, Delivery.Latest, "bob"),
        ];

        var arrived = _serializer.Deserialize<MessageList>(_serializer.SerializeToArray(new MessageList(sent)))!;

        Assert.Equal(sent.Length, arrived.Count);
        foreach (var (before, after) in sent.Zip(arrived))
        {
            Assert.Equal(before.Data.Kind, after.Data.Kind);
            Assert.Equal(before.Data.Bytes, after.Data.Bytes);
            Assert.Equal(before, after with { Data = before.Data });
        }
    }

    [Fact]
    public void What_has_arrived_can_be_sent_on()
    {
        var sent = new MessageList([new(7, 1, "message", Payload.Null, "ann", "id", Delivery.Durable, null)]);
        byte[] bytes = _serializer.SerializeToArray(sent);
        Assert.Equal(bytes, _serializer.SerializeToArray(_serializer.Deserialize<MessageList>(bytes)!));
    }

    [Fact]
    public void There_may_be_none() => Assert.Empty(_serializer.Deserialize<MessageList>(_serializer.SerializeToArray(new MessageList([])))!);
}
