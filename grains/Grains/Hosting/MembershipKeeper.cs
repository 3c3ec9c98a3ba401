using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OrleansRealtime.Hosting;

/// <summary>
/// Follows the cluster's membership, so that a silo which stood still learns at once that it counts as dead, and puts it back where Redis has lost it. Orleans' silos run on
/// without it, but nobody could join them any more: a new silo would find an empty table and begin a cluster of its own.
/// <para>
/// Each silo inserts its own row again, under the low versions that an empty table begins with and that the others therefore ignore.
/// Only when every silo that is believed to be alive is back is the version raised past the one that all know: a silo that saw a newer
/// table without itself in it would take itself for dead.
/// </para>
/// </summary>
sealed partial class MembershipKeeper(
    IMembershipTable table, IClusterMembershipService membership, ILocalSiloDetails silo, TimeProvider time, ILogger<MembershipKeeper> logger)
    : BackgroundService
{
    static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    /// <summary>How long silos that are believed to be alive may take to come back; after that they are taken to be gone.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    MembershipEntry? _own;
    long? _lostAt;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await KeepAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    async Task KeepAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Makes an empty table where there is none; without that it cannot even be read.
            await table.InitializeMembershipTableAsync(true, cancellationToken);
            var rows = await table.ReadAllAsync(cancellationToken);
            var known = membership.CurrentSnapshot;
            bool newer = rows.Version.Version > known.Version.Value;
            if (newer || (_lostAt is null && rows.Version.Version == known.Version.Value))
            {
                _own = rows.TryGet(silo.SiloAddress)?.Item1 ?? _own;
                _lostAt = null;
                if (newer)
                {
                    // Nobody tells a silo that it counts as dead. Orleans would see it with its next look at the table, within a minute; until then there would be two owners of a grain.
                    await membership.Refresh(default, cancellationToken);
                }

                return;
            }

            if (_own is not null && known.GetSiloStatus(silo.SiloAddress) == SiloStatus.Active)
            {
                await RestoreAsync(rows, known, _own, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            // Redis is away; the table is looked at again in a second.
            NotRead(exception);
        }
    }

    async Task RestoreAsync(MembershipTableData rows, ClusterMembershipSnapshot known, MembershipEntry own, CancellationToken cancellationToken)
    {
        if (_lostAt is null)
        {
            _lostAt = time.GetTimestamp();
            Lost(rows.Version.Version, known.Version.Value);
        }

        var row = rows.TryGet(silo.SiloAddress);
        if (row is null)
        {
            await table.InsertRowAsync(own, rows.Version.Next(), cancellationToken);
            return;
        }

        bool complete = known.Members.Values.All(m => m.Status != SiloStatus.Active || rows.TryGet(m.SiloAddress) is not null);
        if (!complete && time.GetElapsedTime(_lostAt.Value) < Patience)
        {
            return;
        }

        // Another silo may be at the same: whose step is refused lets the other go on.
        while (row is not null && rows.Version.Version <= known.Version.Value
            && await table.UpdateRowAsync(row.Item1, row.Item2, rows.Version.Next(), cancellationToken))
        {
            rows = await table.ReadAllAsync(cancellationToken);
            row = rows.TryGet(silo.SiloAddress);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "Redis has lost the cluster's membership (version {Found} instead of {Known}); it is put back.")]
    partial void Lost(int found, long known);

    [LoggerMessage(2, LogLevel.Debug, "The cluster's membership could not be read.")]
    partial void NotRead(Exception exception);
}
