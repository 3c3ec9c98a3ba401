namespace OrleansRealtime.Gateways;

/// <summary>Counts the silos that have gone, and with them leases: whoever had asked to be told of a lease's end asks again.</summary>
sealed class SiloDepartures : ISiloStatusListener
{
    int _count;

    public SiloDepartures(ISiloStatusOracle silos) => silos.SubscribeToSiloStatusEvents(this);

    public int Count => Volatile.Read(ref _count);

    public void SiloStatusChangeNotification(SiloAddress updatedSilo, SiloStatus status)
    {
        if (status == SiloStatus.Dead)
        {
            Interlocked.Increment(ref _count);
        }
    }
}
