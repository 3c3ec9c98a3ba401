using OrleansRealtime.Gateway.Events;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime;

/// <param name="FeatureId">What to deploy.</param>
sealed record DeployRequest(string? FeatureId);

/// <param name="Room">Where its progress is told, as <c>room:update</c>.</param>
sealed record Deployment(string Id, string FeatureId, string Room, string Status);

/// <summary>A step of a deployment.</summary>
/// <param name="Progress">Per cent.</param>
sealed record DeploymentProgress(string Id, string Status, int Progress);

/// <summary>
/// The demonstration of request and response: the handler <c>deploy</c> (<c>request:deploy</c> for Socket.IO clients) answers at once, and what
/// follows is told in a room of the deployment's own. Nothing is really deployed.
/// </summary>
static class Deployments
{
    static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(500);

    static readonly (string Status, int Progress)[] s_steps = [("building", 25), ("testing", 50), ("rolling out", 75), ("complete", 100)];

    public static void Add(RealtimeEvents events) => events.Default.On<DeployRequest, Deployment>("deploy", (context, request) =>
    {
        if (request.FeatureId is not { Length: >= 1 and <= 100 } feature)
        {
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, "A deployment needs a 'featureId' of 1 to 100 characters.");
        }

        string id = Guid.NewGuid().ToString("n");
        var deployment = new Deployment(id, feature, "deployment-" + id, "started");
        var publisher = context.Services.GetRequiredService<RealtimePublisher>();
        var stopping = context.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        var logger = context.Services.GetRequiredService<ILogger<Deployment>>();
        _ = RunAsync(deployment, publisher, logger, stopping);
        return Task.FromResult(deployment);
    });

    static async Task RunAsync(Deployment deployment, RealtimePublisher publisher, ILogger logger, CancellationToken stopping)
    {
        try
        {
            foreach (var (status, progress) in s_steps)
            {
                await Task.Delay(StepTime, stopping);
                await publisher.ToRoomAsync(deployment.Room, "room:update", new DeploymentProgress(deployment.Id, status, progress), cancellationToken: stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The gateway stops.
        }
        catch (RealtimeException exception)
        {
            DeploymentLog.NotTold(logger, deployment.Id, exception);
        }
    }
}

static partial class DeploymentLog
{
    [LoggerMessage(1, LogLevel.Warning, "The progress of deployment {Id} could not be told.")]
    public static partial void NotTold(ILogger logger, string id, Exception exception);
}
