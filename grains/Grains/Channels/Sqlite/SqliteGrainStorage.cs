using System.Globalization;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace OrleansRealtime.Channels.Sqlite;

/// <summary>Grain state in the database of the message log, so that a single process has it again after a restart.</summary>
internal sealed class SqliteGrainStorage(
    string name, SqliteChannelStore store, IGrainStorageSerializer serializer, IActivatorProvider activators) : IGrainStorage
{
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        (string row, string grain) = (Row(stateName), grainId.ToString());
        (long etag, byte[]? data) = await store.WriteAsync(tables => tables.GrainState.Read(row, grain), 0, CancellationToken.None);
        grainState.State = data is null ? Empty<T>() : serializer.Deserialize<T>(data);
        grainState.ETag = Format(etag);
        grainState.RecordExists = data is not null;
    }

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        byte[] data = serializer.Serialize(grainState.State).ToArray();

        // Not a counter: a state that was cleared and written again must not get an etag that somebody still holds.
        (long expected, long next) = (Parse(grainState.ETag), Random.Shared.NextInt64(1, long.MaxValue));
        (string row, string grain) = (Row(stateName), grainId.ToString());
        (long etag, bool written) = await store.WriteAsync(
            tables => tables.GrainState.Write(row, grain, expected, next, data), data.Length, CancellationToken.None);
        Check(written, etag, grainState.ETag, stateName, grainId);
        grainState.ETag = Format(etag);
        grainState.RecordExists = true;
    }

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        long expected = Parse(grainState.ETag);
        (string row, string grain) = (Row(stateName), grainId.ToString());
        (long etag, bool written) = await store.WriteAsync(
            tables => tables.GrainState.Delete(row, grain, expected), 0, CancellationToken.None);
        Check(written, etag, grainState.ETag, stateName, grainId);
        grainState.State = Empty<T>();
        grainState.ETag = null!;
        grainState.RecordExists = false;
    }

    /// <summary>A null etag stands for a state that does not exist.</summary>
    static string Format(long etag) => etag == 0 ? null! : etag.ToString(CultureInfo.InvariantCulture);

    /// <summary>What is no etag of ours becomes one that nothing has.</summary>
    static long Parse(string? etag) =>
        string.IsNullOrEmpty(etag) ? 0 : long.TryParse(etag, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : -1;

    static void Check(bool written, long stored, string? expected, string stateName, GrainId grainId)
    {
        if (!written)
        {
            throw new InconsistentStateException(
                $"The state '{stateName}' of {grainId} was changed by somebody else.", Format(stored) ?? "none", expected ?? "none");
        }
    }

    /// <summary>Several storages may share the table.</summary>
    string Row(string stateName) => $"{name}/{stateName}";

    T Empty<T>() => activators.GetActivator<T>().Create();
}
