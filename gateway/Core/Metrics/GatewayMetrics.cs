using System.Diagnostics.Metrics;
using OrleansRealtime.Channels;
using OrleansRealtime.Gateway.Fanout;

namespace OrleansRealtime.Gateway.Metrics;

/// <summary>What a gateway counts: the meter <c>OrleansRealtime.Gateway</c>, which <c>/metrics</c> shows to Prometheus.</summary>
sealed class GatewayMetrics
{
    public const string MeterName = "OrleansRealtime.Gateway";

    readonly UpDownCounter<long> _connections;
    readonly Counter<long> _closed;
    readonly Counter<long> _publications;

    public GatewayMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _connections = meter.CreateUpDownCounter<long>("realtime.connections", description: "Open connections, by transport.");
        _closed = meter.CreateCounter<long>("realtime.connections.closed", description: "Connections that have ended, by transport and reason; 'client' where it was not the server's wish.");
        _publications = meter.CreateCounter<long>("realtime.publications", description: "Publications by clients, by outcome.");
    }

    public void Opened(ClientConnection connection) => _connections.Add(1, KeyValuePair.Create("transport", (object?)connection.Transport));

    public void Closed(ClientConnection connection)
    {
        var transport = KeyValuePair.Create("transport", (object?)connection.Transport);
        _connections.Add(-1, transport);
        _closed.Add(1, transport, KeyValuePair.Create("reason", (object?)(connection.Closing?.Name ?? "client")));
    }

    public void Published(PublishStatus status) => _publications.Add(1, KeyValuePair.Create("outcome", (object?)(status switch
    {
        PublishStatus.Accepted => "accepted",
        PublishStatus.Overloaded => "overloaded",
        _ => "unavailable",
    })));
}
