using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Auth;

/// <summary>
/// <c>access_token</c> in the query (RFC 6750 section 2.3), for browsers' WebSocket and EventSource, which cannot set headers. It is taken
/// out of the query before any middleware runs, so that nothing later logs, shows or keeps it.
/// </summary>
internal sealed class QueryToken(IOptions<AuthOptions> options) : IStartupFilter
{
    const string Name = "access_token";

    static readonly object ItemKey = new();

    readonly PathString[] _paths = [.. options.Value.QueryTokenPaths.Select(p => new PathString(p))];

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(pipeline => context =>
        {
            Hide(context);
            return pipeline(context);
        });
        next(app);
    };

    /// <summary>The request's token, once; null where it has none or its path does not allow one.</summary>
    public string? Take(HttpContext context)
    {
        Hide(context); // Again: under UsePathBase the path was still another one the first time.
        return context.Items.Remove(ItemKey, out object? token) ? (string?)token : null;
    }

    void Hide(HttpContext context)
    {
        HttpRequest request = context.Request;
        if (!request.QueryString.HasValue || !Allows(request.Path))
        {
            return;
        }

        string? token = null;
        StringBuilder rest = new();
        foreach (QueryStringEnumerable.EncodedNameValuePair pair in new QueryStringEnumerable(request.QueryString.Value))
        {
            if (pair.DecodeName().Span.Equals(Name, StringComparison.OrdinalIgnoreCase))
            {
                token ??= pair.DecodeValue().ToString();
            }
            else
            {
                rest.Append(rest.Length == 0 ? '?' : '&').Append(pair.EncodedName).Append('=').Append(pair.EncodedValue);
            }
        }

        if (token is not null)
        {
            request.QueryString = new(rest.ToString());
            context.Items[ItemKey] = token;
        }
    }

    bool Allows(PathString path)
    {
        foreach (PathString prefix in _paths)
        {
            if (path.StartsWithSegments(prefix))
            {
                return true;
            }
        }

        return false;
    }
}
