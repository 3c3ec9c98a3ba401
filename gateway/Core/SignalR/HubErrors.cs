using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>Turns what an operation throws into the error that the caller gets: <c>code: message</c>, and never more than that.</summary>
sealed partial class HubErrors(ILogger<HubErrors> logger) : IHubFilter
{
    public async ValueTask<object?> InvokeMethodAsync(HubInvocationContext invocationContext, Func<HubInvocationContext, ValueTask<object?>> next)
    {
        try
        {
            return await next(invocationContext);
        }
        catch (RealtimeException exception)
        {
            throw new HubException(exception.Text);
        }
        catch (ConnectionRejectedException exception)
        {
            throw new HubException(new RealtimeException(RealtimeErrorCode.Rejected, exception.MessageWithData).Text);
        }
        catch (OperationCanceledException) when (invocationContext.Context.ConnectionAborted.IsCancellationRequested)
        {
            throw new HubException("The connection is gone.");
        }
        catch (Exception exception) when (exception is not HubException)
        {
            Unexpected(invocationContext.HubMethodName, exception);
            throw new HubException(new RealtimeException(RealtimeErrorCode.Internal, "Something went wrong on the server.").Text);
        }
    }

    public async Task OnConnectedAsync(HubLifetimeContext context, Func<HubLifetimeContext, Task> next)
    {
        try
        {
            await next(context);
        }
        catch (RealtimeException exception)
        {
            throw new HubException(exception.Text);
        }
        catch (OperationCanceledException) when (context.Context.ConnectionAborted.IsCancellationRequested)
        {
            throw new HubException("The connection is gone.");
        }
        catch (Exception exception) when (exception is not HubException)
        {
            Unexpected(nameof(OnConnectedAsync), exception);
            throw new HubException(new RealtimeException(RealtimeErrorCode.Internal, "Something went wrong on the server.").Text);
        }
    }

    [LoggerMessage(1, LogLevel.Error, "The hub method {Method} failed.")]
    partial void Unexpected(string method, Exception exception);
}
