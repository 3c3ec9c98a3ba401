using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.SignalR.Protocol;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>
/// Lets clients leave out trailing arguments that have a default, which SignalR's protocols do not: an invocation whose arguments do
/// not fit is parsed again with fewer parameters. The usual invocation, with all its arguments, is parsed once and costs nothing more.
/// </summary>
sealed class OptionalArgumentsProtocol(IHubProtocol inner) : IHubProtocol
{
    /// <summary>The defaults of each method's parameters, from the first that may be left out.</summary>
    static readonly Dictionary<string, object?[]> s_defaults = typeof(RealtimeHub)
        .GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(m => m.GetParameters().Any(p => p.HasDefaultValue))
        .ToDictionary(
            m => m.Name,
            m => m.GetParameters().Where(p => p.HasDefaultValue).Select(DefaultOf).ToArray(),
            StringComparer.OrdinalIgnoreCase);

    public string Name => inner.Name;

    public int Version => inner.Version;

    public TransferFormat TransferFormat => inner.TransferFormat;

    public bool TryParseMessage(ref ReadOnlySequence<byte> input, IInvocationBinder binder, [NotNullWhen(true)] out HubMessage? message)
    {
        var start = input;
        if (!inner.TryParseMessage(ref input, binder, out message))
        {
            return false;
        }

        if (message is InvocationBindingFailureMessage failure && s_defaults.TryGetValue(failure.Target, out object?[]? defaults))
        {
            for (int omitted = 1; omitted <= defaults.Length; omitted++)
            {
                var again = start;
                if (inner.TryParseMessage(ref again, new FewerParameters(binder, omitted), out var parsed) && parsed is InvocationMessage invocation)
                {
                    message = new InvocationMessage(
                        invocation.InvocationId, invocation.Target, [.. invocation.Arguments, .. defaults[^omitted..]], invocation.StreamIds)
                    {
                        Headers = invocation.Headers,
                    };
                    break;
                }
            }
        }

        return true;
    }

    public void WriteMessage(HubMessage message, IBufferWriter<byte> output) => inner.WriteMessage(message, output);

    public ReadOnlyMemory<byte> GetMessageBytes(HubMessage message) => inner.GetMessageBytes(message);

    public bool IsVersionSupported(int version) => inner.IsVersionSupported(version);

    static object? DefaultOf(ParameterInfo parameter) => parameter.DefaultValue
        ?? (parameter.ParameterType.IsValueType ? Activator.CreateInstance(parameter.ParameterType) : null);

    sealed class FewerParameters(IInvocationBinder inner, int omitted) : IInvocationBinder
    {
        public Type GetReturnType(string invocationId) => inner.GetReturnType(invocationId);

        public Type GetStreamItemType(string streamId) => inner.GetStreamItemType(streamId);

        public IReadOnlyList<Type> GetParameterTypes(string methodName)
        {
            var types = inner.GetParameterTypes(methodName);
            return [.. types.Take(types.Count - omitted)];
        }
    }
}
