using OrleansRealtime.Gateway.WebSockets;

namespace OrleansRealtime.Gateway.EngineIo;

/// <summary>
/// What an application does with a session. Its methods are called one at a time, but for <see cref="OnTick"/> and <see cref="OnClosed"/>.
/// </summary>
public interface IEngineClient
{
    /// <summary>A message has come. The next one is not read before the task has completed; the data is valid until then.</summary>
    /// <param name="request">The request that brought it: the WebSocket's, or that of long-polling, which ends with the task.</param>
    ValueTask OnMessageAsync(ReadOnlyMemory<byte> data, bool binary, IClientRequest request);

    /// <summary>Called again and again while the session lives, for what has to end in time.</summary>
    /// <param name="now">Milliseconds, as <see cref="Environment.TickCount64"/>.</param>
    void OnTick(long now);

    /// <summary>The session is over. Called once.</summary>
    void OnClosed();
}
