using OrleansRealtime.Jobs;

namespace OrleansRealtime;

/// <param name="FeatureId">What to deploy.</param>
/// <param name="Fail">Whether it is to fail when half of it is done, to see what that looks like.</param>
sealed record DeployRequest(string FeatureId, bool Fail = false);

/// <summary>A step of a deployment.</summary>
/// <param name="Progress">Per cent.</param>
sealed record DeploymentStatus(string Status, int Progress);

/// <param name="Version">What is there now, invented.</param>
sealed record Deployment(string FeatureId, string Version);

/// <summary>The demonstration of jobs: <c>deploy</c> tells its steps one by one, and goes on after the last one of them should its silo die. Nothing is really deployed.</summary>
static class Deployments
{
    static readonly TimeSpan StepTime = TimeSpan.FromSeconds(1);

    static readonly DeploymentStatus[] s_steps = [new("building", 25), new("testing", 50), new("rolling out", 75), new("complete", 100)];

    public static void Add(JobBuilder jobs) => jobs.Add<DeployRequest, Deployment>(
        "deploy",
        RunAsync,
        request => request.FeatureId.Length is >= 1 and <= 100 ? null : "A deployment needs a 'featureId' of 1 to 100 characters.");

    static async Task<Deployment> RunAsync(JobContext context, DeployRequest request)
    {
        for (int step = context.GetCheckpoint<int>(); step < s_steps.Length; step++)
        {
            await Task.Delay(StepTime, context.CancellationToken);
            if (request.Fail && s_steps[step].Progress > 50)
            {
                throw new JobFailedException($"The rollout of '{request.FeatureId}' was stopped: 2 of 12 instances did not become ready.");
            }

            await context.ReportAsync(s_steps[step]);
            await context.CheckpointAsync(step + 1);
        }

        return new(request.FeatureId, "1.0.0-" + context.Id[..6]);
    }
}
