namespace OrleansRealtime.Jobs;

/// <summary>The events in a job's room: any number of <see cref="Status"/>, and then one of the others, which nothing follows.</summary>
public static class JobEvents
{
    /// <summary>Whatever the handler reports.</summary>
    public const string Status = "status";

    /// <summary>The job's result.</summary>
    public const string Complete = "complete";

    /// <summary>The job has failed or was cancelled: <see cref="JobError"/>.</summary>
    public const string Error = "error";

    public static bool IsFinal(string name) => name is Complete or Error;
}
