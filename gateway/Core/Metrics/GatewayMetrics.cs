using System.Diagnostics.Metrics;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Metrics;

/// <summary>What a gateway counts: the meter <c>OrleansRealtime.Gateway</c>, which <c>/metrics</c> shows to Prometheus, and the totals in <see cref="Totals"/>.</summary>
sealed class GatewayMetrics
{
    public const string MeterName = "OrleansRealtime.Gateway";

    readonly UpDownCounter<long> _connections;
    readonly Counter<long> _opened;
    readonly Counter<long> _closed;
    readonly Counter<long> _publications;
    readonly Counter<long> _errors;
    readonly Histogram<double> _publishDuration;

    public GatewayMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _connections = meter.CreateUpDownCounter<long>("realtime.connections", description: "Open connections, by transport.");
        _opened = meter.CreateCounter<long>("realtime.connections.opened", description: "Connections that have been accepted, by transport.");
        _closed = meter.CreateCounter<long>("realtime.connections.closed", description: "Connections that have ended, by transport and reason; 'client' where it was not the server's wish.");
        _publications = meter.CreateCounter<long>("realtime.publications", description: "Publications by clients, by outcome.");
        _errors = meter.CreateCounter<long>("realtime.errors", description: "Answers that were errors, by code.");
        _publishDuration = meter.CreateHistogram<double>(
            "realtime.publications.duration",
            "s",
            "From a publication's arrival at the gateway until it is kept.",
            advice: new() { HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });
        meter.CreateObservableCounter("realtime.deliveries", () => Totals.Delivered, description: "Events that have been written to connections.");
    }

    /// <summary>Everything since the start of the process.</summary>
    public MetricTotals Totals { get; } = new();

    public void Opened(ClientConnection connection)
    {
        var transport = KeyValuePair.Create("transport", (object?)connection.Transport);
        Totals.OnOpened();
        _connections.Add(1, transport);
        _opened.Add(1, transport);
    }

    public void Closed(ClientConnection connection)
    {
        var transport = KeyValuePair.Create("transport", (object?)connection.Transport);
        Totals.OnClosed();
        _connections.Add(-1, transport);
        _closed.Add(1, transport, KeyValuePair.Create("reason", (object?)(connection.Closing?.Name ?? "client")));
    }

    public void Published(PublishStatus status, TimeSpan duration)
    {
        if (status == PublishStatus.Accepted)
        {
            Totals.OnPublished(duration);
            _publishDuration.Record(duration.TotalSeconds);
        }

        _publications.Add(1, KeyValuePair.Create("outcome", (object?)(status switch
        {
            PublishStatus.Accepted => "accepted",
            PublishStatus.Overloaded => "overloaded",
            _ => "unavailable",
        })));
    }

    /// <summary>A client has been answered with an error.</summary>
    public void Refused(RealtimeErrorCode code)
    {
        Totals.OnError();
        _errors.Add(1, KeyValuePair.Create("code", (object?)code.Text()));
    }
}
