namespace OrleansRealtime.Tests.Cluster;

/// <summary>
/// One cluster for all tests that need one. Each has rooms and users of its own, and leaves the cluster complete. Starting it and
/// breaking it takes all of a small machine, so nothing runs beside these tests.
/// </summary>
public sealed class SharedCluster : IAsyncLifetime
{
    internal RealtimeCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await RealtimeCluster.StartAsync(
        settings: [("Realtime:Gateway:QueueBytes", "65536"), ("Realtime:Jobs:ResumePeriod", "00:00:02")]);

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClusterTests : ICollectionFixture<SharedCluster>
{
    public const string Name = "cluster";
}

/// <summary>One in which nothing is killed: what is promised of every transport holds at the first try.</summary>
public sealed class CalmCluster : IAsyncLifetime
{
    internal RealtimeCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await RealtimeCluster.StartAsync(settings: [("Realtime:Gateway:QueueBytes", "65536")]);

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class CalmClusterTests : ICollectionFixture<CalmCluster>
{
    public const string Name = "calm cluster";
}

/// <summary>Tests that start clusters of their own: they take all of a small machine, so nothing runs beside them either.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneTests
{
    public const string Name = "alone";
}
