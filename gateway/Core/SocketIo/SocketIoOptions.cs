using Microsoft.Extensions.Options;
using OrleansRealtime.Gateway.EngineIo;

namespace OrleansRealtime.Gateway.SocketIo;

/// <summary>Section <c>Realtime:SocketIo</c>: times and limits of Socket.IO clients, those of Engine.IO included.</summary>
public sealed class SocketIoOptions : EngineIoOptions
{
    public const string Section = "Realtime:SocketIo";

    /// <summary>Where clients connect to; theirs is the option <c>path</c>.</summary>
    public string Path { get; set; } = "/socket.io/";

    /// <summary>How long a client may take until it has connected to its first namespace.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(45);

    /// <summary>Whether clients get what they need to resume: a <c>pid</c>, and an offset with every event.</summary>
    public bool Recovery { get; set; } = true;

    /// <summary>How long the server waits for a client's acknowledgement, where the application does not say.</summary>
    public TimeSpan AckTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Binary attachments of one packet.</summary>
    public int MaxAttachments { get; set; } = 10;

    /// <summary>How long a packet may lack some of its attachments.</summary>
    public TimeSpan AttachmentTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Nested arrays and objects of a packet.</summary>
    public int MaxDepth { get; set; } = 32;

    /// <summary>Namespaces that one client may be connected to.</summary>
    public int MaxNamespaces { get; set; } = 10;

    /// <summary>Events of one connection that may wait for an earlier one; then nothing more is read from the client.</summary>
    public int MaxBacklog { get; set; } = 1_000;
}

sealed class SocketIoOptionsValidator : IValidateOptions<SocketIoOptions>
{
    public ValidateOptionsResult Validate(string? name, SocketIoOptions options)
    {
        var errors = new List<string>();
        void Check(bool valid, string setting, string rule)
        {
            if (!valid)
            {
                errors.Add($"{SocketIoOptions.Section}:{setting} {rule}.");
            }
        }

        void CheckTime(TimeSpan time, string setting) =>
            Check(time >= TimeSpan.FromMilliseconds(10) && time <= TimeSpan.FromHours(1), setting, "must be 10 ms to 1 hour");

        Check(options.Path is ['/', _, ..] && !options.Path.AsSpan().ContainsAny('?', '#', '{'), nameof(options.Path), "must be a path such as /socket.io/");
        Check(options.Transports is null || (options.Transports.Length > 0 && options.Transports.All(t => t is "polling" or "websocket")),
            nameof(options.Transports), "must name at least one of 'polling' and 'websocket', and nothing else");
        CheckTime(options.PingInterval, nameof(options.PingInterval));
        CheckTime(options.PingTimeout, nameof(options.PingTimeout));
        CheckTime(options.UpgradeTimeout, nameof(options.UpgradeTimeout));
        CheckTime(options.ConnectTimeout, nameof(options.ConnectTimeout));
        CheckTime(options.AckTimeout, nameof(options.AckTimeout));
        CheckTime(options.AttachmentTimeout, nameof(options.AttachmentTimeout));
        Check(options.MaxPayload is >= 1024 and <= 100_000_000, nameof(options.MaxPayload), "must be 1024 to 100000000 bytes");
        Check(options.MaxAttachments is >= 0 and <= 255, nameof(options.MaxAttachments), "must be 0 to 255");
        Check(options.MaxDepth is >= 2 and <= 1000, nameof(options.MaxDepth), "must be 2 to 1000");
        Check(options.MaxNamespaces is >= 1 and <= 1000, nameof(options.MaxNamespaces), "must be 1 to 1000");
        Check(options.MaxPending >= 1, nameof(options.MaxPending), "must be at least 1");
        Check(options.MaxBacklog is >= 1 and <= 1_000_000, nameof(options.MaxBacklog), "must be 1 to 1000000");
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
