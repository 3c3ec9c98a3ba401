using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;

namespace OrleansRealtime.Client.Connections;

/// <summary>
/// Hands on the server's events as they are read, in one order with the answers to calls. <see cref="Microsoft.AspNetCore.SignalR.Client.HubConnection"/>
/// itself puts events into an unbounded queue that answers overtake: when the answer to <c>Join</c> is there, what came before it may not have been seen.
/// </summary>
/// <param name="onEvent">Called with the method's name and its one argument. Must not block or throw.</param>
sealed class InOrderProtocol(IHubProtocol inner, Action<string, JsonElement> onEvent) : IHubProtocol
{
    public string Name => inner.Name;

    public int Version => inner.Version;

    public TransferFormat TransferFormat => inner.TransferFormat;

    public bool TryParseMessage(ref ReadOnlySequence<byte> input, IInvocationBinder binder, [NotNullWhen(true)] out HubMessage? message)
    {
        if (!inner.TryParseMessage(ref input, new OneElement(binder), out message))
        {
            return false;
        }

        if (message is InvocationMessage { Arguments: [JsonElement argument] } invocation)
        {
            onEvent(invocation.Target, argument);
            message = PingMessage.Instance;
        }

        return true;
    }

    public void WriteMessage(HubMessage message, IBufferWriter<byte> output) => inner.WriteMessage(message, output);

    public ReadOnlyMemory<byte> GetMessageBytes(HubMessage message) => inner.GetMessageBytes(message);

    public bool IsVersionSupported(int version) => inner.IsVersionSupported(version);

    /// <summary>All events have one argument (docs/api.md).</summary>
    sealed class OneElement(IInvocationBinder inner) : IInvocationBinder
    {
        static readonly Type[] s_parameters = [typeof(JsonElement)];

        public IReadOnlyList<Type> GetParameterTypes(string methodName) => s_parameters;

        public Type GetReturnType(string invocationId) => inner.GetReturnType(invocationId);

        public Type GetStreamItemType(string streamId) => inner.GetStreamItemType(streamId);
    }
}
