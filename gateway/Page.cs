using Microsoft.Net.Http.Headers;

namespace OrleansRealtime;

/// <summary>The web page at <c>/</c>.</summary>
static class Page
{
    /// <summary>Everything comes from here; the page may talk to this server only.</summary>
    const string ContentSecurityPolicy = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

    /// <summary>The build names these files by their content, so that one never changes under its name.</summary>
    static readonly PathString s_hashed = "/assets";

    static readonly CacheControlHeaderValue s_forEver = new() { Public = true, MaxAge = TimeSpan.FromDays(365), Extensions = { new("immutable") } };

    static readonly CacheControlHeaderValue s_asked = new() { NoCache = true };

    public static WebApplication UsePage(this WebApplication app)
    {
        app.UseDefaultFiles();
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = file =>
            {
                file.Context.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
                file.Context.Response.Headers.XContentTypeOptions = "nosniff";
                file.Context.Response.GetTypedHeaders().CacheControl = file.Context.Request.Path.StartsWithSegments(s_hashed) ? s_forEver : s_asked;
            },
        });
        return app;
    }
}
