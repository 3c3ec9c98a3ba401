using Microsoft.Extensions.Hosting;

namespace OrleansRealtime.Gateway.Fanout;

/// <summary>Does something again and again until the host stops. A round that takes longer than the period delays the next one.</summary>
abstract class PeriodicService(TimeSpan period, TimeProvider time) : BackgroundService
{
    protected TimeProvider Time { get; } = time;

    protected abstract Task RunOnceAsync();

    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, Time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await RunOnceAsync();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host stops.
        }
    }
}
