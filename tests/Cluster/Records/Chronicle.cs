using System.Collections.Concurrent;

namespace OrleansRealtime.Tests.Cluster.Records;

/// <summary>What happened during a run, for the reader of a failure.</summary>
sealed class Chronicle
{
    /// <summary>Lines around a violation that are shown at most.</summary>
    const int ShownLines = 60;

    static readonly TimeSpan Around = TimeSpan.FromSeconds(15);

    readonly ConcurrentQueue<(DateTime At, string Subject, string Text)> _lines = new();

    /// <summary>The subject of lines that concern everybody: faults, nodes.</summary>
    public const string Everybody = "*";

    public void Write(string subject, string text) => _lines.Enqueue((DateTime.UtcNow, subject, text));

    /// <summary>What happened to the subject, and to everybody, around a time.</summary>
    public string Tell(string subject, DateTime? at) => string.Join('\n', _lines
        .Where(l => (l.Subject == subject || l.Subject == Everybody) && (at is not { } time || (l.At - time).Duration() < Around))
        .Select(l => $"  {l.At:HH:mm:ss.fff} {l.Subject} {l.Text}")
        .TakeLast(ShownLines));
}
