using Microsoft.Extensions.Options;

namespace OrleansRealtime.Channels;

/// <summary>Section <c>Realtime:Channels</c>: how much of each channel is kept, and the bounds of what a channel holds in memory.</summary>
public sealed class ChannelOptions
{
    public const string Section = "Realtime:Channels";

    public RetentionOptions Rooms { get; set; } = new() { Count = 10_000, Age = TimeSpan.FromDays(7), Bytes = 64 << 20 };

    /// <summary>Inboxes are kept longer: their reader may be away.</summary>
    public RetentionOptions Inboxes { get; set; } = new() { Count = 10_000, Age = TimeSpan.FromDays(30), Bytes = 16 << 20 };

    public RetentionOptions Namespaces { get; set; } = new() { Count = 1_000, Age = TimeSpan.FromDays(7), Bytes = 16 << 20 };

    /// <summary>How long a message id is remembered, so that a retry is acknowledged with the first try's offset.</summary>
    public TimeSpan DeduplicationWindow { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How many message ids a channel remembers at most.</summary>
    public int DeduplicationCount { get; set; } = 10_000;

    /// <summary>Publications that may wait for a channel's append; beyond it they are refused as overloaded.</summary>
    public int PendingCount { get; set; } = 10_000;

    /// <summary>Bytes that may wait for a channel's append.</summary>
    public int PendingBytes { get; set; } = 16 << 20;

    /// <summary>The newest messages that an active channel keeps in memory, so that resuming clients cost the store nothing.</summary>
    public int TailCount { get; set; } = 256;

    /// <summary>Bytes of <see cref="TailCount"/> at most.</summary>
    public int TailBytes { get; set; } = 256 << 10;

    /// <summary>How long after the last publication the head is repeated (at most a quarter of it later), so that a lost last message is noticed.</summary>
    public TimeSpan HeadRepetition { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Rooms with more members than this tell the number of members only, and name nobody who comes or goes.</summary>
    public int NamedPresenceLimit { get; set; } = 1_000;

    /// <summary>How many members of a room may be told of comings and goings in a second, all in all: the larger the room, the fewer times.</summary>
    public int PresenceDeliveries { get; set; } = 10_000;

    internal Retention RetentionOf(ChannelKind kind) => kind switch
    {
        ChannelKind.Room => Rooms.ToRetention(),
        ChannelKind.User => Inboxes.ToRetention(),
        _ => Namespaces.ToRetention(),
    };
}

/// <summary>A message beyond any of the limits goes.</summary>
public sealed class RetentionOptions
{
    public int Count { get; set; }

    public TimeSpan Age { get; set; }

    public long Bytes { get; set; }

    internal Retention ToRetention() => new(Count, Age, Bytes);
}

sealed class ChannelOptionsValidator : IValidateOptions<ChannelOptions>
{
    public ValidateOptionsResult Validate(string? name, ChannelOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{ChannelOptions.Section}:{setting} {rule}.");
            }
        }

        foreach (var (kind, retention) in new[] { ("Rooms", options.Rooms), ("Inboxes", options.Inboxes), ("Namespaces", options.Namespaces) })
        {
            Check(retention.Count >= 1, kind + ":Count", "must be at least 1 message");
            Check(retention.Age >= TimeSpan.FromSeconds(1), kind + ":Age", "must be at least 1 second, for example 7.00:00:00");
            Check(retention.Bytes >= 1024, kind + ":Bytes", "must be at least 1024");
        }

        Check(options.DeduplicationWindow >= TimeSpan.Zero, nameof(options.DeduplicationWindow), "must not be negative");
        Check(options.DeduplicationCount is >= 0 and <= 1_000_000, nameof(options.DeduplicationCount), "must be 0 to 1000000");
        Check(options.PendingCount >= 1, nameof(options.PendingCount), "must be at least 1");
        Check(options.PendingBytes >= 1024, nameof(options.PendingBytes), "must be at least 1024");
        Check(options.TailCount is >= 0 and <= 100_000, nameof(options.TailCount), "must be 0 to 100000");
        Check(options.TailBytes >= 0, nameof(options.TailBytes), "must not be negative");
        Check(options.HeadRepetition >= TimeSpan.FromMilliseconds(10) && options.HeadRepetition <= TimeSpan.FromMinutes(1),
            nameof(options.HeadRepetition), "must be 10 ms to 1 minute");
        Check(options.NamedPresenceLimit >= 0, nameof(options.NamedPresenceLimit), "must not be negative");
        Check(options.PresenceDeliveries >= 1, nameof(options.PresenceDeliveries), "must be at least 1");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
