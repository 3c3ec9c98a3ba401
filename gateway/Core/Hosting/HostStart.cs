using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace OrleansRealtime.Gateway.Hosting;

/// <summary>Where the gateway's process listens.</summary>
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
            string port = configuration["PORT"] is { Length: > 0 } set ? set : DefaultPort.ToString(CultureInfo.InvariantCulture);
            if (!ushort.TryParse(port, CultureInfo.InvariantCulture, out ushort number) || number == 0)
            {
                throw new OptionsValidationException("PORT", typeof(string), [$"PORT must be a TCP port, 1 to 65535, not '{port}'."]);
            }

            builder.WebHost.UseUrls($"http://127.0.0.1:{number}");
        }

        return builder;
    }
}
