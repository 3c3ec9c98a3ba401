namespace OrleansRealtime.Jobs;

/// <summary>
/// A handler's job fails on purpose. The message is a sentence for those who watch: it holds nothing that they may not know. Of any other
/// exception they learn nothing but that something went wrong.
/// </summary>
public sealed class JobFailedException : Exception
{
    public JobFailedException()
        : this("The job has failed.")
    {
    }

    public JobFailedException(string message)
        : base(message)
    {
    }

    public JobFailedException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
