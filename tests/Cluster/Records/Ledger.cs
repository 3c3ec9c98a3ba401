using System.Collections.Concurrent;

namespace OrleansRealtime.Tests.Cluster.Records;

/// <param name="Begun">When the publisher first tried.</param>
/// <param name="At">When it had the acknowledgement.</param>
sealed record Acknowledgement(string Publisher, string Channel, string MessageId, Place Place, DateTime Begun, DateTime At, int Attempts);

/// <summary>What all publishers of a run have tried and been promised, and what nobody should have seen.</summary>
sealed class Ledger
{
    readonly ConcurrentDictionary<string, string> _tried = new();
    readonly ConcurrentQueue<Acknowledgement> _acknowledged = new();
    readonly ConcurrentQueue<(string Client, string Error, DateTime At)> _errors = new();

    /// <summary>Channel by message id, of everything that anybody has tried to publish.</summary>
    public IReadOnlyDictionary<string, string> Tried => _tried;

    public IReadOnlyCollection<Acknowledgement> Acknowledged => _acknowledged;

    /// <summary>Answers that are no part of any failure that has been caused on purpose, such as <c>internal</c>.</summary>
    public IReadOnlyCollection<(string Client, string Error, DateTime At)> Errors => _errors;

    public void Try(string channel, string messageId) => _tried[messageId] = channel;

    public void Acknowledge(Acknowledgement acknowledgement) => _acknowledged.Enqueue(acknowledgement);

    public void Fail(string client, string error) => _errors.Enqueue((client, error, DateTime.UtcNow));
}
