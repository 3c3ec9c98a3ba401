using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OrleansRealtime.Gateway.Auth;

namespace OrleansRealtime.Tests.Auth;

/// <summary>A web application with nothing but authentication, on a port of its own.</summary>
sealed class AuthHost : IAsyncDisposable
{
    readonly WebApplication _app;

    AuthHost(WebApplication app)
    {
        _app = app;
        string address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Client = new() { BaseAddress = new(address) };
    }

    public HttpClient Client { get; }

    public TokenValidation Validation => _app.Services.GetRequiredService<TokenValidation>();

    /// <summary>Everything that was logged at any level.</summary>
    public LogRecord Log => _app.Services.GetRequiredService<LogRecord>();

    public static async Task<AuthHost> StartAsync(
        string environment, Dictionary<string, string?> settings, TimeProvider? time = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new() { EnvironmentName = environment });
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        LogRecord log = new();
        builder.Services.AddSingleton(log);
        builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(log);
        if (time is not null)
        {
            builder.Services.AddSingleton(time);
        }

        builder.AddRealtimeAuth();
        WebApplication app = builder.Build();
        try
        {
            foreach (string path in new[] { "/api/me", "/events", "/hub" })
            {
                app.MapGet(path, (HttpContext context) => Describe(context)).RequireAuthorization();
            }

            app.MapGet("/api/admin", () => "yes").RequireAuthorization(policy => policy.RequireRole("admin"));
            app.MapDevTokens();
            await app.StartAsync(TestContext.Current.CancellationToken);
            return new(app);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    static string Describe(HttpContext context)
    {
        Permissions permissions = context.GetPermissions();
        return $"{permissions.UserId}|{permissions.IsAdmin}|{permissions.ExpiresAt.ToUnixTimeSeconds()}|{context.Request.QueryString}";
    }

    public async Task<Answer> GetAsync(string path, string? token = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        using HttpResponseMessage response = await Client.SendAsync(request, TestContext.Current.CancellationToken);
        return new(
            response.StatusCode,
            response.Content.Headers.ContentType?.MediaType,
            response.Headers.WwwAuthenticate.ToString(),
            await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }
}

sealed record Answer(HttpStatusCode Status, string? ContentType, string Challenge, string Body)
{
    /// <summary>The answer is RFC 9457 problem details with this status and code, whose sentence has the words.</summary>
    public void IsProblem(HttpStatusCode status, string code, string words)
    {
        Assert.Equal(status, Status);
        Assert.Equal("application/problem+json", ContentType);
        using JsonDocument problem = JsonDocument.Parse(Body);
        Assert.Equal((int)status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Equal(code, problem.RootElement.GetProperty("code").GetString());
        Assert.Contains(words, problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", Body, StringComparison.Ordinal);
    }

    public void IsUnauthenticated(string words)
    {
        IsProblem(HttpStatusCode.Unauthorized, "unauthenticated", words);
        Assert.StartsWith("Bearer error=\"invalid_token\"", Challenge, StringComparison.Ordinal);
        Assert.Contains(words, Challenge, StringComparison.Ordinal);
    }

    public void IsUser(string user)
    {
        Assert.True(Status == HttpStatusCode.OK, $"{Status}: {Body}");
        Assert.StartsWith(user + "|", Body, StringComparison.Ordinal);
    }
}

/// <summary>Keeps what is logged, with its scopes' and states' values.</summary>
sealed class LogRecord : ILoggerProvider
{
    readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public IReadOnlyCollection<(LogLevel Level, string Text)> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    sealed class Logger(LogRecord record, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            Add(LogLevel.None, state, state.ToString());
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Add(logLevel, state, $"{formatter(state, exception)} {exception}");

        void Add(LogLevel level, object? state, string? text)
        {
            string values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(' ', pairs.Select(p => p.Value)) : "";
            record._lines.Enqueue((level, $"{category}: {text} {values}"));
        }
    }
}
