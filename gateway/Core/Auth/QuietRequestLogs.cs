using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// ASP.NET Core's "Request starting" line holds the whole query, <c>access_token</c> included, and is written before any middleware can
/// take the token out. So these categories stay at Warning, whatever the settings say: also where a rule for one provider, which would
/// outrank a general one, asks for more.
/// </summary>
internal sealed class QuietRequestLogs : IPostConfigureOptions<LoggerFilterOptions>
{
    static readonly string[] Categories = ["Microsoft.AspNetCore.Hosting.Diagnostics", "Microsoft.AspNetCore.Http.Connections"];

    public void PostConfigure(string? name, LoggerFilterOptions options)
    {
        LoggerFilterRule[] rules = [.. options.Rules];
        string?[] providers = [.. rules.Select(r => r.ProviderName).Append(null).Distinct()];
        foreach (string category in Categories)
        {
            // Rules for what lies below the category would win by their length.
            string prefix = category + ".";
            foreach (LoggerFilterRule below in rules.Where(
                r => r.CategoryName?.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) == true))
            {
                options.Rules.Remove(below);
            }

            foreach (string? provider in providers)
            {
                LogLevel level = Level(rules, provider, category) ?? Level(rules, null, category) ?? options.MinLevel;
                options.Rules.Add(new(provider, category, level > LogLevel.Warning ? level : LogLevel.Warning, filter: null));
            }
        }
    }

    /// <summary>What the settings ask for: the longest prefix wins, and the last of equals.</summary>
    static LogLevel? Level(LoggerFilterRule[] rules, string? provider, string category) => rules
        .Where(r => r.ProviderName == provider && category.StartsWith(r.CategoryName ?? "", StringComparison.OrdinalIgnoreCase))
        .Reverse()
        .MaxBy(r => r.CategoryName?.Length ?? 0)?.LogLevel;
}
