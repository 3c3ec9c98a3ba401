using System.Text.RegularExpressions;
using Microsoft.AspNetCore.SignalR;

namespace OrleansRealtime.Client.Connections;

/// <summary>The server's refusals in a <see cref="HubException"/>, whose text ends with <c>HubException: code: message</c> (docs/api.md, "Errors").</summary>
static partial class HubRefusal
{
    public static RealtimeClientException Of(HubException exception)
    {
        string text = exception.Message;
        int at = text.LastIndexOf("HubException: ", StringComparison.Ordinal);
        var parts = Parts().Match(at < 0 ? text : text[(at + "HubException: ".Length)..]);
        if (parts.Success)
        {
            return new(parts.Groups["code"].Value, parts.Groups["message"].Value, exception);
        }

        // Said where the connection ends while something is executed.
        return text.EndsWith("The connection is gone.", StringComparison.Ordinal)
            ? new(RealtimeClientErrors.ConnectionLost, "The connection was lost before the answer came.", exception)
            : new("invalid_argument", text, exception);
    }

    [GeneratedRegex("^(?<code>[a-z_]+): (?<message>.*)$", RegexOptions.Singleline)]
    private static partial Regex Parts();
}
