using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Hosting;

/// <summary>How the gateway's process starts: where it listens, and what it says when it cannot.</summary>
public static class HostStart
{
    const int DefaultPort = 5000;

    /// <summary>Listens on 127.0.0.1:5000 where neither <c>PORT</c> nor <c>--urls</c> nor another of ASP.NET Core's settings says otherwise.</summary>
    public static WebApplicationBuilder UseDefaultAddress(this WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (configuration[WebHostDefaults.ServerUrlsKey] is null && configuration["HTTP_PORTS"] is null && configuration["HTTPS_PORTS"] is null
            && !configuration.GetSection("Kestrel:Endpoints").Exists())
        {
            string port = configuration["PORT"] is { Length: > 0 } set ? set : DefaultPort.ToString(System.Globalization.CultureInfo.InvariantCulture);
            if (!ushort.TryParse(port, out ushort number) || number == 0)
            {
                throw new OptionsValidationException("PORT", typeof(string), [$"PORT must be a TCP port, 1 to 65535, not '{port}'."]);
            }

            builder.WebHost.UseUrls($"http://127.0.0.1:{number}");
        }

        return builder;
    }

    /// <summary>Runs the application. What keeps it from starting is said in a sentence, not in a stack trace.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunOrExplainAsync(Func<WebApplication> build)
    {
        try
        {
            await using var app = build();
            await app.RunAsync();
            return 0;
        }
        catch (Exception exception) when (Explain(exception) is { } sentence)
        {
            await Console.Error.WriteLineAsync("OrleansRealtime cannot start: " + sentence);
            return 1;
        }
    }

    static string? Explain(Exception exception) => exception switch
    {
        OptionsValidationException options => string.Join(' ', options.Failures),
        IOException { InnerException: AddressInUseException or SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse } } => exception.Message,
        _ when exception.GetType().Name.EndsWith("StartupException", StringComparison.Ordinal) => exception.Message,
        { InnerException: { } inner } => Explain(inner),
        _ => null,
    };
}
