using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Operations;

/// <summary>How server code wants a message published.</summary>
/// <param name="From">The user in whose name; null: the server's own.</param>
/// <param name="MessageId">A publication that is repeated under the same id is acknowledged with the first one's offset and not delivered again.</param>
/// <param name="Key">Of a <see cref="Delivery.Latest"/> value, and only of such.</param>
public sealed record PublishSettings(string? From = null, string? MessageId = null, Delivery Delivery = Delivery.Durable, string? Key = null);

/// <summary>
/// Publishes for the application's own code, which needs no token: it may publish everywhere. Everything else - names, limits, errors - is
/// as for clients. The task completes when the message is kept; it fails with a <see cref="RealtimeException"/>.
/// <para>
/// The data is an object, which is written as JSON with camel-case names; or <c>byte[]</c>, <see cref="ReadOnlyMemory{T}"/> of bytes, or a
/// <see cref="Payload"/>, which are passed on as they are.
/// </para>
/// </summary>
public sealed class RealtimePublisher
{
    readonly RealtimeOperations _operations;

    internal RealtimePublisher(RealtimeOperations operations) => _operations = operations;

    /// <param name="room">For example <c>general</c>, or <c>/admin:alerts</c>.</param>
    public Task<PublishAcknowledgement> ToRoomAsync(
        string room, string @event, object? data, PublishSettings? settings = null, CancellationToken cancellationToken = default) =>
        _operations.PublishToRoomAsync(room, ToRequest(@event, data, settings)).WaitAsync(cancellationToken);

    /// <summary>To the user's inbox, where the message waits for one who is offline.</summary>
    public Task<PublishAcknowledgement> ToUserAsync(
        string user, string @event, object? data, PublishSettings? settings = null, CancellationToken cancellationToken = default) =>
        _operations.PublishToUserAsync(user, ToRequest(@event, data, settings)).WaitAsync(cancellationToken);

    /// <summary>To everybody in a namespace.</summary>
    /// <param name="ns">For example <c>/</c>.</param>
    public Task<PublishAcknowledgement> ToNamespaceAsync(
        string ns, string @event, object? data, PublishSettings? settings = null, CancellationToken cancellationToken = default) =>
        _operations.PublishToNamespaceAsync(ns, ToRequest(@event, data, settings)).WaitAsync(cancellationToken);

    static SendRequest ToRequest(string @event, object? data, PublishSettings? settings) => new(
        @event,
        Payload.Of(data),
        settings?.MessageId,
        settings?.Delivery switch
        {
            Delivery.Transient => "transient",
            Delivery.Latest => "latest",
            _ => null,
        },
        settings?.Key,
        settings?.From);
}
