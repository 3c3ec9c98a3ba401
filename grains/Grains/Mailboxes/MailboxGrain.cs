using Orleans.Concurrency;
using OrleansRealtime.Gateways;

namespace OrleansRealtime.Mailboxes;

/// <summary>Where one gateway's mailbox is: what the outboxes of all silos have for it comes together here, and leaves by one lane. Its key is the gateway's id.</summary>
[Alias("OrleansRealtime.IMailboxGrain")]
interface IMailboxGrain : IGrainWithStringKey
{
    /// <summary>
    /// Completes when the batches were delivered, so that what an outbox is given meanwhile leaves together; or when they were dropped, of which the gateway is
    /// told if it subscribes.
    /// </summary>
    [AlwaysInterleave, Alias("Post")]
    Task Post([Immutable] MailboxBatch[] batches);
}

sealed class MailboxGrain(MailboxLanes lanes) : Grain, IMailboxGrain
{
    public Task Post(MailboxBatch[] batches) => lanes.PostAsync(this.GetPrimaryKeyString(), batches);
}
