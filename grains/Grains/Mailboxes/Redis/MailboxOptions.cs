using Microsoft.Extensions.Options;

namespace OrleansRealtime.Mailboxes.Redis;

/// <summary>Section <c>Realtime:Mailboxes</c>: the queues in Redis that carry what silos have for gateways.</summary>
public sealed class MailboxOptions
{
    public const string Section = "Realtime:Mailboxes";

    /// <summary>
    /// Queues that the gateways are spread over; each is read by one silo. At least as many as silos, so that all share the work. The
    /// same in all silos: a change needs all of them stopped.
    /// </summary>
    public int Queues { get; set; } = 8;

    /// <summary>Batches that a queue holds at most, about. They are there until they are delivered, usually for milliseconds; the oldest go first.</summary>
    public int QueueLength { get; set; } = 1_000;

    /// <summary>Batches that may wait for one gateway in the silo that reads its queue. The oldest go first, and the gateway reads the logs.</summary>
    public int GatewayBatches { get; set; } = 1_000;

    /// <summary>Bytes of <see cref="GatewayBatches"/> at most.</summary>
    public long GatewayBytes { get; set; } = 32 << 20;
}

sealed class MailboxOptionsValidator : IValidateOptions<MailboxOptions>
{
    public ValidateOptionsResult Validate(string? name, MailboxOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{MailboxOptions.Section}:{setting} {rule}.");
            }
        }

        Check(options.Queues is >= 1 and <= 256, nameof(options.Queues), "must be 1 to 256");
        Check(options.QueueLength is >= 100 and <= 1_000_000, nameof(options.QueueLength), "must be 100 to 1000000");
        Check(options.GatewayBatches is >= 32 and <= 1_000_000, nameof(options.GatewayBatches), "must be 32 to 1000000");
        Check(options.GatewayBytes >= 1 << 20, nameof(options.GatewayBytes), "must be at least 1048576");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
