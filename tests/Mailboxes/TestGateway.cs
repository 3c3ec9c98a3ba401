using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Streams;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Tests.Mailboxes;

/// <summary>The gateway's end of a mailbox, and nothing else of a gateway.</summary>
sealed class TestGateway(IClusterClient client, string id)
{
    readonly ConcurrentQueue<MailboxBatch> _batches = new();
    TaskCompletionSource _open = new();

    public string Id => id;

    public IReadOnlyList<MailboxBatch> Batches => [.. _batches];

    public IReadOnlyList<long> Offsets => [.. _batches.SelectMany(b => b.Events).OfType<HeadRepeated>().Select(h => h.Head.Offset)];

    public bool Lost => _batches.Any(b => b.Lost);

    /// <summary>An event that can be told from others by its offset.</summary>
    public static MailboxEvent Event(long offset) => new HeadRepeated(new ChannelId(ChannelKind.Room, "/:lobby"), new ChannelHead("epoch", offset, 0));

    public static async Task<TestGateway> StartAsync(IClusterClient client, string id)
    {
        var gateway = new TestGateway(client, id);
        gateway._open.SetResult();
        await gateway.SubscribeAsync();
        return gateway;
    }

    public Task<StreamSubscriptionHandle<MailboxBatch>> SubscribeAsync() => client.ServiceProvider.GetRequiredKeyedService<IStreamProvider>(Mailbox.ProviderName)
        .GetStream<MailboxBatch>(Mailbox.StreamOf(id))
        .SubscribeAsync(async (batch, _) =>
        {
            await _open.Task;
            _batches.Enqueue(batch);
        });

    /// <summary>Waits for the newest event, and checks that those before it have come in order, each or with word that some were lost.</summary>
    public async Task HasAllOrWasToldAsync(int newest)
    {
        await Eventually.True("the newest has come", () => Offsets.Contains(newest), () => Offsets.Count);
        Assert.Equal(Offsets.Distinct().Order(), Offsets.Distinct());
        Assert.True(Lost || Offsets.Distinct().Count() == newest);
    }

    /// <summary>Deliveries do not return from here on.</summary>
    public void Stop() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Continue() => _open.SetResult();
}
