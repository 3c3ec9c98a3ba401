using Orleans.Concurrency;

namespace OrleansRealtime.Mailboxes.Cluster;

/// <summary>Where one gateway's mailbox is: what the outboxes of all silos have for it comes together here, and leaves by one lane. Its key is the gateway's id.</summary>
[Alias("OrleansRealtime.IMailboxGrain")]
interface IMailboxGrain : IGrainWithStringKey
{
    /// <summary>
    /// Completes when the batch was delivered, so that what an outbox is given meanwhile leaves together; or when it was dropped, of which the gateway is
    /// told if it subscribes.
    /// </summary>
    [AlwaysInterleave, Alias("Post")]
    Task Post([Immutable] byte[] events);
}

sealed class MailboxGrain(MailboxLanes lanes) : Grain, IMailboxGrain
{
    public Task Post(byte[] events) => lanes.PostAsync(this.GetPrimaryKeyString(), events);
}
