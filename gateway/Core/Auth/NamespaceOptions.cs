using Microsoft.Extensions.Options;
using OrleansRealtime.Channels;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>Section <c>Realtime:Namespaces</c>.</summary>
public sealed class NamespaceOptions
{
    public const string Section = "Realtime:Namespaces";

    /// <summary>
    /// Namespaces that only the role <c>admin</c> may use. Each is one namespace: <c>/admin</c> says nothing about <c>/admin/eu</c>.
    /// Null: <c>/admin</c>.
    /// </summary>
    public string[]? Admin { get; set; }

    /// <summary>Namespaces that Socket.IO clients may connect to, besides <c>/</c>, the admin ones, and those that the application names in code. <c>*</c>: any.</summary>
    public string[] Names { get; set; } = [];

    internal string[] AdminNames => Admin ?? ["/admin"];
}

internal sealed class NamespaceOptionsValidator : IValidateOptions<NamespaceOptions>
{
    public ValidateOptionsResult Validate(string? name, NamespaceOptions options)
    {
        List<string> failures = [];
        foreach (string ns in options.AdminNames)
        {
            if (!RoomName.TryParseNamespace(ns, out string? error))
            {
                failures.Add($"Realtime:Namespaces:Admin has '{ns}'. {error}");
            }
        }

        foreach (string ns in options.Names)
        {
            if (ns != "*" && !RoomName.TryParseNamespace(ns, out string? error))
            {
                failures.Add($"Realtime:Namespaces:Names has '{ns}'. {error} Or '*' for any.");
            }
        }

        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
