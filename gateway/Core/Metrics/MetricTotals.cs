namespace OrleansRealtime.Gateway.Metrics;

/// <summary>What has happened since the start of the process, over all transports. Safe from all threads.</summary>
sealed class MetricTotals
{
    long _opened, _closed, _delivered, _published, _publishedTicks, _errors;

    public long Delivered => Volatile.Read(ref _delivered);

    public void OnOpened() => Interlocked.Increment(ref _opened);

    public void OnClosed() => Interlocked.Increment(ref _closed);

    public void OnDelivered(int events) => Interlocked.Add(ref _delivered, events);

    public void OnPublished(TimeSpan duration)
    {
        Interlocked.Increment(ref _published);
        Interlocked.Add(ref _publishedTicks, duration.Ticks);
    }

    public void OnError() => Interlocked.Increment(ref _errors);

    public ConnectionMetrics Read()
    {
        long opened = Volatile.Read(ref _opened), closed = Volatile.Read(ref _closed), published = Volatile.Read(ref _published);
        double latency = published == 0 ? 0 : TimeSpan.FromTicks(Volatile.Read(ref _publishedTicks) / published).TotalMilliseconds;
        return new(
            Math.Max(0, opened - closed),
            new(opened, closed, Delivered, published, Volatile.Read(ref _errors), Math.Round(latency, 3)));
    }
}

/// <summary>A gateway's connections in figures, for people and small dashboards; what a monitoring system needs is at <c>/metrics</c>.</summary>
/// <param name="ConnectedClients">Open connections.</param>
sealed record ConnectionMetrics(long ConnectedClients, MetricFigures Metrics);

/// <param name="Connections">Accepted since the start.</param>
/// <param name="Disconnections">Ended since the start.</param>
/// <param name="MessagesSent">Events written to connections.</param>
/// <param name="MessagesReceived">Messages that clients published and that were kept.</param>
/// <param name="Errors">Answers that were errors.</param>
/// <param name="AvgLatency">Milliseconds from the arrival of such a message until it was kept.</param>
sealed record MetricFigures(long Connections, long Disconnections, long MessagesSent, long MessagesReceived, long Errors, double AvgLatency);
