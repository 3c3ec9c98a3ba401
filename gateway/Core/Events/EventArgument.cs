using System.Text.Json;
using OrleansRealtime.Gateway.Operations;

namespace OrleansRealtime.Gateway.Events;

/// <summary>The first argument of an event, as its handler wants it.</summary>
static class EventArgument
{
    public static T Read<T>(EventContext context, EventData data)
    {
        try
        {
            if (data.Get<T>(0) is { } read)
            {
                return read;
            }
        }
        catch (JsonException exception)
        {
            string at = exception.Path is { Length: > 1 } path ? $", at '{path}'" : "";
            throw new RealtimeException(RealtimeErrorCode.InvalidArgument, $"The data of '{context.Event}' is not of the form that is expected{at}.", exception);
        }

        // A handler whose type takes null says so by its name: T? of a value type, or object.
        return default(T) is null && data.Count > 0 && Nullable.GetUnderlyingType(typeof(T)) is not null
            ? default!
            : throw new RealtimeException(RealtimeErrorCode.InvalidArgument, $"'{context.Event}' needs data.");
    }
}
