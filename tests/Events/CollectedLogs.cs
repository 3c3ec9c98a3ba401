using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Tests.Events;

/// <summary>Everything that a host logs, each line with its exception.</summary>
sealed class CollectedLogs : ILoggerProvider
{
    readonly ConcurrentQueue<string> _lines = new();

    /// <summary>The lines that mention a text, be it in their exceptions.</summary>
    public IReadOnlyList<string> Mentioning(string text) => [.. _lines.Where(line => line.Contains(text, StringComparison.Ordinal))];

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, _lines);

    public void Dispose()
    {
    }

    sealed class Logger(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{logLevel} {category}: {formatter(state, exception)} {exception}");
    }
}
