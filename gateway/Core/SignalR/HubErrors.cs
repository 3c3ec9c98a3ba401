using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Metrics;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.SignalR;

/// <summary>Turns what an operation throws into the error that the caller gets: <c>code: message</c>, and never more than that.</summary>
sealed partial class HubErrors(GatewayMetrics metrics, ILogger<HubErrors> logger) : IHubFilter
{
    public async ValueTask<object?> InvokeMethodAsync(HubInvocationContext invocationContext, Func<HubInvocationContext, ValueTask<object?>> next)
    {
        try
        {
            return await next(invocationContext);
        }
        catch (RealtimeException exception)
        {
            throw Refusal(exception);
        }
        catch (ConnectionRejectedException exception)
        {
            throw Refusal(new(RealtimeErrorCode.Rejected, exception.MessageWithData));
        }
        catch (OperationCanceledException) when (invocationContext.Context.ConnectionAborted.IsCancellationRequested)
        {
            throw new HubException("The connection is gone.");
        }
        catch (Exception exception) when (exception is not HubException)
        {
            Unexpected(invocationContext.HubMethodName, exception);
            throw Refusal(new(RealtimeErrorCode.Internal, "Something went wrong on the server."));
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
            throw Refusal(exception);
        }
        catch (OperationCanceledException) when (context.Context.ConnectionAborted.IsCancellationRequested)
        {
            throw new HubException("The connection is gone.");
        }
        catch (Exception exception) when (exception is not HubException)
        {
            Unexpected(nameof(OnConnectedAsync), exception);
            throw Refusal(new(RealtimeErrorCode.Internal, "Something went wrong on the server."));
        }
    }

    HubException Refusal(RealtimeException error)
    {
        metrics.Refused(error.Code);
        return new(error.Text);
    }

    [LoggerMessage(1, LogLevel.Error, "The hub method {Method} failed.")]
    partial void Unexpected(string method, Exception exception);
}
